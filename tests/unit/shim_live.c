/* tests/unit/shim_live.c - the live table and its filter: exact, without decay, safe to re-enter.
 *
 * Oracle: a plain array as reference map.  Pointers are made up: the table never looks behind them. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/live_rig.h"

static void setup(void)
{
	cr_assert_eq(live_init(SMALL), 0);
}

TestSuite(live, .init = setup, .timeout = 60);

Test(live, agrees_with_a_reference_map_over_reused_addresses)
{
	enum { BLOCKS = 6000 };
	static bool is_live[BLOCKS];
	uint64_t inserted = 0, refused = 0;

	for (int step = 0; step < 2000000; step++) {
		uint64_t i = next_random() % BLOCKS;

		cr_assert_eq(take(i), is_live[i]);
		is_live[i] = next_random() % 10 < 7;
		if (is_live[i]) {
			inserted++;
			is_live[i] = insert(i);
			refused += !is_live[i];
			cr_assert(!is_live[i] || live_maybe(block(i)), "the filter forgot a live block");
		}
	}
	cr_expect_lt(refused, inserted / 1000, "%lu of %lu refused at 60 %% load", refused, inserted);
	for (uint64_t i = 0; i < BLOCKS; i++)
		cr_assert_eq(take(i), is_live[i]);
	cr_expect_eq(filter_marks(), 0, "an empty table leaves an empty filter");
}

/* Far apart, page aligned, a power of two apart: what mmap'ed and pooled blocks look like. */
Test(live, holds_blocks_at_any_stride)
{
	for (unsigned shift = 4; shift < 32; shift++) {
		struct live_entry e = { .size = shift };
		struct live_ref ref;

		for (uintptr_t i = 0; i < 3000; i++)
			cr_assert(live_insert((void *)(0x10000010 + (i << shift)), &e), "stride 1 << %u, %lu-th",
				  shift, i);
		for (uintptr_t i = 0; i < 3000; i++) {
			cr_assert(live_detach((void *)(0x10000010 + (i << shift)), &ref));
			live_drop(&ref);
		}
	}
}

Test(live, refuses_when_full_and_does_not_decay)
{
	uint64_t n = fill_up();

	cr_expect_gt(n, SMALL * 6 / 10, "only %lu entries fit", n);
	cr_expect_not(take(n), "a refused block is not found");
	for (uint64_t i = 0; i < n; i++)
		cr_assert(take(i), "%lu of %lu is lost", i, n);
	cr_expect_eq(filter_marks(), 0);
	for (int round = 0; round < 20; round++) {
		cr_assert_eq(fill_up(), n, "the table shrank by use");
		for (uint64_t i = n; i-- > 0;)
			cr_assert(take(i));
	}
}

Test(live, keeps_a_saturated_counter_for_ever)
{
	for (uint64_t i = 0; i < 300; i++)
		cr_assert(insert(i << 15)); /* 1 MiB apart: one counter for all */
	for (uint64_t i = 0; i < 300; i++) {
		cr_assert(live_maybe(block(i << 15)));
		cr_assert(take(i << 15));
	}
	cr_expect(live_maybe(block(0)), "its true value is unknown: zero would be a guess");
	for (uint64_t i = 1; i < 200; i++)
		cr_assert(insert(1 + (i << 15)));
	for (uint64_t i = 1; i < 200; i++)
		cr_assert(take(1 + (i << 15)));
	cr_expect_not(live_maybe(block(1)), "one that never saturated goes back to zero");
}

Test(live, restores_the_very_same_entry)
{
	struct live_ref ref, again;

	insert(5);
	cr_assert(live_detach(block(5), &ref));
	cr_expect_not(live_detach(block(5), &again), "detached means invisible");
	cr_expect(insert(5), "the address may live again meanwhile");
	cr_assert(take(5));
	live_restore(&ref);
	cr_assert(take(5));
	cr_expect_not(take(5));
	cr_expect_eq(filter_marks(), 0);
}

Test(live, restores_into_a_full_table)
{
	struct live_ref ref;
	uint64_t n = fill_up();

	cr_assert(live_detach(block(3), &ref));
	while (insert(++n) && n < 4 * SMALL)
		; /* whatever else fits */
	live_restore(&ref);
	cr_expect(take(3));
}

Test(live, knows_nothing_about_null_and_odd_pointers)
{
	struct live_entry e = entry(1);
	struct live_ref ref;

	cr_expect(live_maybe(NULL), "free(NULL) goes the cold way");
	cr_expect_not(live_detach(NULL, &ref));
	cr_expect_not(live_insert((void *)0x1001, &e), "the lowest bit is ours");
	cr_expect_not(live_detach((void *)0x1001, &ref));
	cr_assert(live_insert((void *)0x1000, &e));
	cr_assert(live_detach((void *)0x1000, &ref));
	cr_expect_not(live_detach((void *)0x1001, &ref), "what is detached has that name inside");
}

static bool put(uint64_t i)
{
	struct live_entry e = entry(i);

	return live_put(live_expect(block(i), 1), block(i), &e);
}

/* An entry may be left under an address that the allocator hands out again: at home, and where strays are. */
Test(live, quick_insert_leaves_what_there_is_to_a_search)
{
	uint64_t n;

	cr_expect_not(put(7), "nothing is in use yet");
	cr_assert(insert(8));
	cr_expect(put(7));
	cr_expect_not(put(7), "that one has an entry");
	cr_assert(take(7));
	cr_assert(take(8));
	n = fill_up();
	for (uint64_t i = 0; i < n; i++)
		cr_assert_not(put(i), "block %lu has two entries", i);
	for (uint64_t i = 0; i < n; i++)
		take(i);
	cr_expect_eq(filter_marks(), 0);
	cr_expect(put(7));
	cr_assert(take(7));
}

/* Eight blocks of 16 bytes that are at home in one bucket of seven: the last wants the place of the first. */
Test(live, quick_insert_sees_an_entry_in_another_place)
{
	enum { CELLS = 8 };
	char *const at = (char *)0x7f0000000000;
	struct live_entry e = entry(1);
	struct live_ref ref;

	for (int n = CELLS; n >= 2; n -= CELLS - 2) { /* of all eight it lies away from home, of two beside */
		for (int i = 0; i < n - 1; i++)
			cr_assert(live_insert(at + i * 16, &e));
		cr_assert(live_insert(at + 7 * 16, &e));
		cr_assert(live_detach(at, &ref));
		live_drop(&ref);
		cr_assert_not(live_put(live_expect(at + 7 * 16, 1), at + 7 * 16, &e), "one of %d has two", n);
		for (int i = 1; i < CELLS; i++)
			cr_assert(!live_detach(at + i * 16, &ref) || (live_drop(&ref), true));
	}
	cr_expect_eq(filter_marks(), 0);
}

static void count_told(const struct live_entry *e, void *arg)
{
	(void)e;
	++*(int *)arg;
}

static void count_missed(uintptr_t p, void *arg)
{
	(void)p;
	(void)arg;
	cr_expect(false, "nobody works on the table");
}

/* A walk passes over parts where nothing was ever put: a child would not hear of such blocks. */
Test(live, walk_finds_what_was_put_quickly)
{
	static struct live_turns turns;
	int put_in = 0, told = 0;

	cr_assert(insert(0));
	for (uint64_t i = 1; i < 2000; i += 40)
		put_in += put(i);
	cr_assert_gt(put_in, 25);
	live_each(&(struct live_walk){ .turns = &turns, .each = count_told, .missed = count_missed, .arg = &told });
	cr_expect_eq(told, put_in + 1);
}

/* --- concurrency ---------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 400000, PER_THREAD = 1000 };

static void *churn(void *arg)
{
	uint64_t base = (uint64_t)(uintptr_t)arg * PER_THREAD, x = base + 12345;
	bool is_live[PER_THREAD] = { false };

	for (int i = 0; i < ROUNDS; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		uint64_t k = (x >> 33) % PER_THREAD;

		cr_assert_eq(take(base + k), is_live[k]);
		is_live[k] = (x >> 60) & 1 && insert(base + k);
	}
	for (uint64_t k = 0; k < PER_THREAD; k++)
		cr_assert_eq(take(base + k), is_live[k]);
	return NULL;
}

Test(live, serves_threads_side_by_side)
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, churn, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	cr_expect_eq(filter_marks(), 0);
}

enum { RACES = 200000 };
static _Atomic uint32_t turn[2], winners;

/* Both threads leave together, as far as two threads can. */
static void meet(uint32_t me, uint32_t i)
{
	store_release(&turn[me], i);                                    /* A, pairs with B */
	for (uint32_t spins = 0; load_acquire(&turn[!me]) < i; spins++) /* B, pairs with A */
		if (spins % 4096 == 4095)
			sched_yield();
}

static void *race(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	struct live_ref ref;

	for (uint32_t i = 1; i < RACES; i++) {
		if (me == 0)
			cr_assert(insert(1));
		meet(me, 3 * i);
		if (live_detach(block(1), &ref)) {
			add_relaxed(&winners, 1);
			cr_assert(same_entry(ref.entry, entry(1)));
			live_drop(&ref);
		}
		meet(me, 3 * i + 1);
		cr_assert(insert(10 + me)); /* into one bucket, from both sides */
		meet(me, 3 * i + 2);
		cr_assert(take(10 + me), "two inserts took one slot");
	}
	return NULL;
}

/* A program that frees one block twice at once is broken, but its bookkeeping must not be. */
Test(live, gives_each_entry_and_each_slot_to_one_thread)
{
	pthread_t other;

	pthread_create(&other, NULL, race, (void *)1);
	race((void *)0);
	pthread_join(other, NULL);
	cr_expect_eq((uint32_t)winners, RACES - 1);
	cr_expect_eq(filter_marks(), 0);
}

static volatile sig_atomic_t signals, lost;

static void on_signal(int sig)
{
	uint64_t at = 100000 + (uint64_t)signals % 50;

	(void)sig;
	if (!insert(at) || !live_maybe(block(at)) || !take(at))
		lost++;
	signals++;
}

Test(live, is_re_entered_by_signal_handlers)
{
	struct itimerval timer = { { 0, 100 }, { 0, 100 } }, off = { { 0, 0 }, { 0, 0 } };
	bool is_live[64] = { false };

	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (uint64_t i = 0; signals < 3000; i++) {
		cr_assert_eq(take(i % 64), is_live[i % 64]);
		is_live[i % 64] = i % 3 && insert(i % 64);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	cr_expect_eq(lost, 0);
}

Test(live, is_a_forked_childs_own)
{
	int status;

	for (uint64_t i = 0; i < 1000; i++)
		insert(i);
	if (fork() == 0) {
		int found = 0;

		for (uint64_t i = 0; i < 1000; i++)
			found += take(i);
		_exit(found == 1000 && filter_marks() == 0 ? 0 : 1);
	}
	wait(&status);
	cr_expect_eq(status, 0);
	for (uint64_t i = 0; i < 1000; i++)
		cr_assert(take(i), "the child's frees are not the parent's");
}

Test(live_without_table, finds_and_keeps_nothing, .init = NULL)
{
	struct live_ref ref;

	cr_expect_not(insert(1));
	cr_expect_not(live_detach(block(1), &ref));
	cr_expect_not(live_maybe(block(1)));
}
