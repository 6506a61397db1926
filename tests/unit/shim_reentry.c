/* tests/unit/shim_reentry.c - bookkeeping interrupted by signals, jumped out of, and raced by threads. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "tests/unit/shim_armed.h"

static void setup(void)
{
	armed_start(1024);
}

TestSuite(reentry, .init = setup, .timeout = 60);

/* --- signals ------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;
static sigjmp_buf jump;
static int jumps;

static void allocate_in_handler(int sig)
{
	static char blocks[64][64]; /* libc's malloc must not be re-entered: bookkeeping only */
	struct live_entry e = { .size = 1, .rate = 1 };
	struct live_ref ref;
	void *p = blocks[signals % 64];

	(void)sig;
	if (live_insert(p, &e) && live_detach(p, &ref))
		live_drop(&ref);
	signals++;
	if (jumps)
		siglongjmp(jump, 1);
}

static void tick(long us)
{
	struct itimerval timer = { { 0, us }, { 0, us } };

	signal(SIGALRM, allocate_in_handler);
	setitimer(ITIMER_REAL, &timer, NULL);
}

Test(reentry, is_interrupted_anywhere)
{
	uint64_t allocs = 0, frees = 0, n = 0;

	tick(100);
	for (; signals < 2000; n++) {
		struct books b;

		record_free(record_malloc(10));
		b = drain();
		allocs += b.allocs;
		frees += b.frees;
	}
	tick(0);
	cr_expect_eq(allocs, n);
	cr_expect_eq(frees, n);
}

/* A thread that jumped out of the bookkeeping must be sampled like any other afterwards. */
Test(reentry, a_jump_out_of_the_middle_leaves_nothing_shut)
{
	struct live_entry e = { .size = 1, .rate = 1 };
	static char block[16];
	volatile int done = 0;

	jumps = 1;
	sigsetjmp(jump, 1);
	if (done++ == 0)
		tick(50);
	for (volatile int i = 0; done < 500; i = i + 1) {
		struct live_ref ref;

		sampler_take(&sampler, 10, 1, 1);
		if (live_insert(block + i % 16 / 8 * 8, &e) && live_detach(block, &ref))
			live_drop(&ref);
	}
	tick(0);
	jumps = 0;
	drain();
	record_free(record_malloc(100));
	expect(1, 1, 0);
}

/* --- threads ------------------------------------------------------------------------------------------------- */

static void *hand_over[64];

static void *exchange(void *arg)
{
	uint64_t x = (uint64_t)(uintptr_t)arg;

	for (int i = 0; i < 200000; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		void *p = (x >> 40) % 4 ? record_malloc((x >> 33) % 64)
					: record_realloc(record_malloc(8), (x >> 33) % 64 + 1);

		record_free(__atomic_exchange_n(&hand_over[x >> 58], p, __ATOMIC_ACQ_REL));
	}
	return NULL;
}

/* One size class, so addresses return at once, mostly to another thread. */
Test(reentry, blocks_handed_between_threads_balance)
{
	pthread_t threads[4];
	struct books b;
	struct spill_sums s;

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, exchange, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(hand_over); i++)
		record_free(hand_over[i]);
	b = drain();
	s = spilled();
	cr_expect_eq(b.allocs + s.alloc.events, b.frees + s.freed.events);
	cr_expect_eq(b.live_bytes + (int64_t)(s.alloc.bytes - s.freed.bytes) / 256, 0);
}
