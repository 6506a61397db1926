/* tests/unit/shim_record.c - the cold twins, in an armed process: what is recorded, and what must not change. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/shim_armed.h"

static void setup(void)
{
	armed_start(1024);
}

TestSuite(record, .init = setup, .timeout = 60);

Test(record, a_free_repeats_its_alloc)
{
	void *p = record_malloc(100);
	struct abi_event alloc = drain().last, end;

	cr_expect_eq(alloc.kind, ABI_EVENT_ALLOC);
	cr_expect_eq(alloc.size, 100);
	cr_expect_eq(alloc.rate, 1);
	cr_expect_eq(alloc.born_ns, alloc.time_ns);
	store_relaxed(&t.r.control->rate, 4096);
	record_free(p);
	end = drain().last;
	cr_expect_eq(end.kind, ABI_EVENT_FREE);
	cr_expect_eq(end.size, 100);
	cr_expect_eq(end.rate, 1, "the rate of the alloc, not of now");
	cr_expect_eq(end.stack, alloc.stack);
	cr_expect_eq(end.born_ns, alloc.born_ns);
}

static uint8_t flags_after(void *p)
{
	record_free(p);
	return drain().last.flags;
}

Test(record, a_free_right_after_its_alloc_is_marked_temporary)
{
	void *p = record_malloc(10), *q = record_malloc(20);

	cr_expect_eq(flags_after(q), ABI_EVENT_TEMPORARY);
	cr_expect_eq(flags_after(p), 0, "another one came in between");
	cr_expect_eq(flags_after(record_malloc(10)), ABI_EVENT_TEMPORARY);
	p = record_malloc(10);
	p = record_realloc(p, 20);
	cr_expect_eq(drain().last.kind, ABI_EVENT_ALLOC);
	cr_expect_eq(flags_after(p), ABI_EVENT_TEMPORARY);
	store_relaxed(&t.r.control->rate, 1000);
	p = record_malloc(100000); /* still judged by T = 1 */
	q = record_malloc(100000);
	cr_assert_geq(drain().allocs, 2);
	cr_expect_eq(flags_after(p), 0);
	p = record_malloc(100000);
	if (sampler.left) { /* an unsampled one in between, as the hook lets it pass */
		sampler.left--;
		cr_expect_eq(flags_after(p), 0);
	}
	record_free(q);
}

static void *free_elsewhere(void *p)
{
	record_free(p);
	return NULL;
}

Test(record, a_free_by_another_thread_is_not_temporary)
{
	void *p = record_malloc(10);
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, free_elsewhere, p), 0);
	pthread_join(thread, NULL);
	cr_expect_eq(drain().last.flags, 0);
}

Test(record, each_entry_point_counts_what_was_asked_for)
{
	void *p[9];

	p[0] = record_malloc(1);
	p[1] = record_calloc(2, 10);
	p[2] = record_realloc(NULL, 300);
	p[3] = record_reallocarray(NULL, 4, 1000);
	p[4] = record_memalign(64, 50000);
	p[5] = record_aligned_alloc(64, 600000);
	cr_assert_eq(record_posix_memalign(&p[6], 64, 7000000), 0);
	p[7] = record_valloc(80000000);
	expect(8, 0, 87654321);
	p[8] = record_pvalloc(1);
	expect(1, 0, 4096);
	for (int i = 0; i < 9; i++)
		record_free(p[i]);
	expect(0, 9, -87654321 - 4096);
	record_free(NULL);
	expect(0, 0, 0);
}

/* --- realloc ------------------------------------------------------------------------------------------------- */

Test(record, realloc_ends_one_block_and_begins_another)
{
	char *p = record_malloc(10);

	memcpy(p, "123456789", 10);
	p = record_realloc(p, 100000);
	cr_expect_str_eq(p, "123456789");
	expect(2, 1, 100000);
	p = record_reallocarray(p, 5, 2);
	expect(1, 1, 10 - 100000);
	record_free(p);
	expect(0, 1, -10);
}

Test(record, a_failed_realloc_changes_nothing)
{
	void *p = record_malloc(10), *q = record_realloc(p, PTRDIFF_MAX);

	cr_expect_null(q);
	cr_expect_eq(errno, ENOMEM);
	expect(1, 0, 10);
	errno = 0;
	cr_expect_null(record_reallocarray(p, SIZE_MAX / 2, 3));
	cr_expect_eq(errno, ENOMEM);
	expect(0, 0, 0);
	record_free(p);
	expect(0, 1, -10);
}

Test(record, realloc_to_nothing_frees_as_libc_does)
{
	void *p = record_malloc(10);

	cr_expect_null(record_realloc(p, 0));
	expect(1, 1, 0);
}

Test(record, realloc_of_an_unsampled_block_is_a_fresh_decision)
{
	void *p = malloc(10); /* nobody has seen it */

	p = record_realloc(p, 20);
	expect(1, 0, 20);
	record_free(p);
	expect(0, 1, -20);
	record_free(malloc(10));
	expect(0, 0, 0);
}

/* --- failures and errno -------------------------------------------------------------------------------------- */

Test(record, failed_allocations_are_none)
{
	void *unset = &unset, *p = unset;

	cr_expect_null(record_malloc(PTRDIFF_MAX));
	cr_expect_null(record_malloc(SIZE_MAX));
	cr_expect_null(record_calloc(SIZE_MAX / 2, 3));
	cr_expect_null(record_memalign(64, PTRDIFF_MAX));
	cr_expect_null(record_pvalloc(SIZE_MAX - 10));
	errno = 77;
	cr_expect_eq(record_posix_memalign(&p, 3, 10), EINVAL);
	cr_expect_eq(p, unset);
	cr_expect_eq(errno, 77);
	expect(0, 0, 0);
}

Test(record, errno_stays_as_the_program_left_it)
{
	errno = EBADF;
	for (int i = 0; i < 1000; i++) {
		record_free(record_calloc(1, 10));
		record_free(record_realloc(record_malloc(10), 5000));
		cr_assert_eq(errno, EBADF);
		drain();
	}
}

/* --- nothing is lost ----------------------------------------------------------------------------------------- */

Test(record_small, full_lanes_spill_and_no_total_is_lost, .timeout = 60)
{
	enum { N = 1000 };
	void *p[N];
	struct books b;
	struct spill_sums s;

	armed_start(4);
	for (int i = 0; i < N; i++)
		p[i] = record_malloc(100);
	for (int i = 0; i < N; i++)
		record_free(p[i]);
	b = drain();
	s = spilled();
	cr_expect_gt(b.allocs, 0);
	cr_expect_gt(s.alloc.events, N / 2);
	cr_expect_eq(b.allocs + s.alloc.events, N);
	cr_expect_eq(b.frees + s.freed.events, N);
	cr_expect_eq(b.live_bytes + (int64_t)(s.alloc.bytes - s.freed.bytes) / 256, 0);
	cr_expect_eq(load_relaxed(&t.r.procs[0].spilled), s.alloc.events + s.freed.events);
}

Test(record, blocks_without_room_in_the_table_are_counted_and_left_out)
{
	enum { N = 20000 };
	static void *p[N];
	uint64_t allocs = 0, frees = 0;

	for (int i = 0; i < N; i++) {
		p[i] = record_malloc(8);
		allocs += drain().allocs;
	}
	cr_expect_gt(load_relaxed(&t.r.procs[0].untracked), 0);
	cr_expect_eq(allocs + load_relaxed(&t.r.procs[0].untracked), N);
	for (int i = 0; i < N; i++) {
		record_free(p[i]);
		frees += drain().frees;
	}
	cr_expect_eq(frees, allocs, "in-use must come back to zero");
}

Test(record, a_block_freed_behind_our_back_ends_when_its_address_returns)
{
	void *p = record_malloc(100), *q;

	free(p); /* not by a hook */
	q = record_malloc(100);
	cr_assert_eq(q, p, "libc hands the same block out again");
	expect(2, 1, 100);
	record_free(q);
	expect(0, 1, -100);
}

/* --- passive processes --------------------------------------------------------------------------------------- */

Test(record, a_forked_child_touches_nothing_shared_and_still_frees)
{
	void *p = record_malloc(10);
	int status;

	drain();
	for (int raw = 0; raw < 2; raw++) {
		pid_t child = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();

		if (child == 0) {
			cr_assert_eq(attach_holder(), 0);
			record_free(p);
			for (int i = 0; i < 1000; i++)
				record_free(record_malloc(100));
			_exit(drain().allocs + drain().frees == 0 && load_relaxed(&t.r.procs[0].spilled) == 0 &&
					      sampler.left > SAMPLER_LOOK / 2
				      ? 0
				      : 1);
		}
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_expect_eq(status, 0);
	}
	record_free(p);
	expect(0, 1, -10);
}

Test(record, a_session_given_up_is_left_alone)
{
	void *p = record_malloc(10);

	drain();
	store_relaxed(&t.r.control->detached, 1);
	record_free(p);
	record_free(record_malloc(10));
	expect(0, 0, 0);
}

Test(record, dormant_means_no_new_samples_but_all_frees)
{
	void *p = record_malloc(10);

	store_relaxed(&t.r.control->rate, 0);
	sampler_nap(&sampler, 0);
	record_free(record_malloc(10));
	record_free(p);
	expect(1, 1, 0);
	cr_expect_gt(sampler.left, SAMPLER_LOOK / 2);
}

Test(record, threads_keep_looking_until_the_constructor_is_through)
{
	store_relaxed(word, 0);
	store_relaxed(&attach.over, 0);
	record_free(record_malloc(10));
	cr_expect_eq(sampler.left, 0);
	store_relaxed(&attach.over, 1);
	record_free(record_malloc(10));
	cr_expect_gt(sampler.left, SAMPLER_LOOK / 2);
}

/* --- --on-full=wait ------------------------------------------------------------------------------------------ */

static _Atomic uint32_t consume;
static uint64_t consumed;

static uint64_t waiting_events(void)
{
	uint64_t n = 0;

	for (uint32_t l = 0; l < t.r.geo.lanes; l++)
		n += load_relaxed(&t.r.lanes[l].head) - tails[l];
	return n;
}

/* A slow one: it lets the lanes fill up, sleeps, and takes what there is. */
static void *consumer(void *arg)
{
	while (load_relaxed(&consume)) {
		if (waiting_events() < (uint64_t)t.r.geo.lanes * t.r.geo.lane_events)
			continue;
		usleep(2000);
		consumed += drain().allocs;
	}
	return arg;
}

static void make_blocks(void **p, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = record_malloc(100);
}

/* Not waiting, the program would be through before the consumer woke up once.  One wait may be too short on a busy
 * machine, but not all of 50 rounds. */
Test(record_small, waits_for_a_slow_collector_if_asked_to, .timeout = 120)
{
	enum { N = 300 };
	static void *p[N * 50];
	pthread_t thread;
	int rounds = 0;

	armed_start(4);
	store_relaxed(&t.r.control->on_full, ABI_ON_FULL_WAIT);
	store_relaxed(&consume, 1);
	pthread_create(&thread, NULL, consumer, NULL);
	while (consumed < N / 2 && rounds < 50)
		make_blocks(p + N * rounds++, N);
	store_relaxed(&consume, 0);
	pthread_join(thread, NULL);
	cr_expect_geq(consumed, N / 2);
	cr_expect_eq(consumed + drain().allocs + spilled().alloc.events, (uint64_t)N * (uint64_t)rounds);
}

Test(record_small, waits_in_vain_once_and_loses_nothing, .timeout = 60)
{
	enum { N = 2000 }; /* the smallest live table has room for them wherever the heap is */
	static void *p[N];

	armed_start(4);
	store_relaxed(&t.r.control->on_full, ABI_ON_FULL_WAIT);
	make_blocks(p, N); /* if each of them waited, that were minutes */
	cr_expect_eq(drain().allocs + spilled().alloc.events, N);
	cr_expect_eq(spilled().alloc.events, N - (uint64_t)t.r.geo.lanes * t.r.geo.lane_events);
}
