/* tests/unit/test_proctab.c - process entries: each taken once, told whole, and clean for the next. */
#include <pthread.h>

#include <criterion/criterion.h>

#include "common/proctab.h"
#include "common/spill.h"
#include "tests/unit/region.h"

static struct test_region t;

static void setup(void)
{
	struct abi_geometry geo = test_geometry();

	geo.procs = 64;
	geo.spill_slots = 256;
	test_region_init(&t, &geo);
}

static void teardown(void)
{
	test_region_done(&t);
}

TestSuite(proctab, .init = setup, .fini = teardown, .timeout = 60);

static int claim(uint32_t pid)
{
	return proc_claim(&t.r, &(struct proc_info){ .pid = pid, .parent = 3, .parent_pid = 9, .start_ns = 17 });
}

Test(proctab, first_is_nobodys_child)
{
	struct proc_info info = { .pid = 5, .parent = UINT32_MAX };

	cr_assert_eq(proc_claim(&t.r, &info), 0);
	cr_assert(proc_read(&t.r, 0, false, &info));
	cr_expect_eq(info.pid, 5);
	cr_expect_eq(info.parent, 0);
	cr_expect_not(proc_read(&t.r, 1, true, &info));
}

Test(proctab, gives_each_entry_once_and_counts_who_finds_none)
{
	struct proc_info info;

	for (uint32_t i = 0; i < 64; i++) {
		cr_assert_eq(claim(100 + i), (int)i);
		cr_assert(proc_read(&t.r, i, false, &info));
		cr_expect(info.pid == 100 + i && info.parent == 3 && info.parent_pid == 9 && info.start_ns == 17);
	}
	cr_expect_eq(claim(1), -1);
	cr_expect_eq(claim(2), -1);
	cr_expect_eq(load_relaxed(&t.r.cursors->refused), 2);
}

Test(proctab, entry_that_is_taken_is_told_only_once_heard_of)
{
	struct proc_info info = { .pid = 5 };

	cr_assert_eq(proc_take(&t.r, &info), 0);
	cr_expect_not(proc_read(&t.r, 0, false, &info));
	cr_expect(proc_read(&t.r, 0, true, &info));
	proc_give_back(&t.r, 0);
	cr_expect_not(proc_read(&t.r, 0, true, &info));
	cr_assert_eq(proc_take(&t.r, &info), 1);
	proc_activate(&t.r, 1);
	cr_expect(proc_read(&t.r, 1, false, &info));
}

Test(proctab, given_back_entries_are_found_wherever_they_are_and_clean)
{
	for (uint32_t i = 0; i < 64; i++)
		claim(100 + i);
	store_relaxed(&t.r.procs[40].untracked, 5);
	store_relaxed(&t.r.procs[40].spill_full, 5);
	proc_release(&t.r, 40);
	cr_assert_eq(claim(7), 40);
	cr_expect_eq(load_relaxed(&t.r.procs[40].untracked), 0);
	cr_expect_eq(load_relaxed(&t.r.procs[40].spill_full), 0);
	cr_expect_eq(claim(8), -1);
}

/* Without a place for what finds none, events could be lost in silence. */
Test(proctab, needs_a_spill_entry)
{
	for (uint32_t i = 0; i < 256; i++)
		store_release(&t.r.spill[i].key, UINT64_MAX - i); /* K */
	cr_expect_eq(claim(1), -1);
	cr_expect_eq(load_relaxed(&t.r.procs[0].state), ABI_PROC_FREE);
}

enum { THREADS = 8, EACH = 20000 };
static _Atomic uint32_t owners[64];
static _Atomic uint32_t collisions;

static void *claims(void *arg)
{
	for (uint32_t i = 0; i < EACH; i++) {
		int at = claim((uint32_t)(uintptr_t)arg);

		if (at < 0)
			continue;
		if (add_relaxed(&owners[at], 1))
			add_relaxed(&collisions, 1);
		sub_relaxed(&owners[at], 1);
		proc_release(&t.r, (uint32_t)at);
	}
	return NULL;
}

Test(proctab, never_gives_an_entry_to_two_at_a_time)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, claims, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(load_relaxed(&collisions), 0);
	cr_expect_eq(load_relaxed(&t.r.cursors->refused), 0);
}

/* Entries on the way to another's are given back: its key may then stand twice, and both count. */
Test(proctab, spill_entries_of_the_dead_serve_others_and_no_sum_is_lost)
{
	struct spill_sums s;
	uint32_t proc, stack;
	uint64_t own = 0;

	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 200; i++)
			spill_add(&t.r,
				  &(struct abi_event){
					  .kind = ABI_EVENT_ALLOC, .size = 1, .rate = 1, .stack = i, .proc = 1 });
		for (uint32_t i = 0; i < 10; i++)
			spill_add(&t.r,
				  &(struct abi_event){
					  .kind = ABI_EVENT_ALLOC, .size = 1, .rate = 1, .stack = i, .proc = 2 });
		for (uint32_t i = 0; i < 256; i++)
			if (spill_read(&t.r, i, &proc, &stack, &s) && proc == 1)
				spill_release(&t.r, i);
	}
	for (uint32_t i = 0; i < 256; i++) {
		if (!spill_read(&t.r, i, &proc, &stack, &s))
			continue;
		cr_assert_eq(proc, 2);
		own += s.alloc.events;
	}
	cr_expect_eq(own, 50 * 10);
}
