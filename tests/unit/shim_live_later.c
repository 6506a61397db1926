/* tests/unit/shim_live_later.c - the live table when things change: T is lowered, use goes on for long, all is
 * recorded. */
#include <stdio.h>

#include "tests/unit/live_rig.h"

static void setup(void)
{
	cr_assert_eq(live_init(SMALL), 0);
}

TestSuite(live_later, .init = setup, .timeout = 60);

static bool insert_at(uint64_t i, uint32_t rate)
{
	struct live_entry e = { .size = i, .rate = rate };

	return live_insert(block(i), &e);
}

static void expect_entry(uint64_t i, uint32_t rate)
{
	struct live_ref ref;

	cr_assert(live_detach(block(i), &ref), "block %lu", i);
	cr_assert_eq(ref.entry.size, i);
	cr_assert_eq(ref.entry.rate, rate);
	live_restore(&ref);
	cr_assert(live_detach(block(i), &ref));
	live_drop(&ref);
	cr_assert_not(live_detach(block(i), &ref));
}

Test(live_later, has_room_for_every_block_after_T_was_lowered)
{
	enum { SPARSE = 1000, DENSE = 100000 };

	cr_assert_eq(live_reserve(200000), 0);
	for (uint64_t i = 0; i < SPARSE; i++)
		cr_assert(insert_at(i, 512 << 10));
	for (uint64_t i = SPARSE; i < DENSE; i++)
		cr_assert(insert_at(i, 1), "only %lu fit", i);
	for (uint64_t i = DENSE; i < DENSE + 2 * SMALL; i++)
		cr_assert(insert_at(i, 512 << 10), "what the first table has no room for");
	for (uint64_t i = 0; i < DENSE + 2 * SMALL; i++)
		expect_entry(i, i >= SPARSE && i < DENSE ? 1 : 512 << 10);
	cr_expect_eq(filter_marks(), 0);
}

Test(live_later, quick_insert_leaves_two_tables_to_a_search)
{
	struct live_entry e = { .rate = 1 };

	cr_assert_eq(live_reserve(200000), 0);
	cr_assert(insert_at(1, 512 << 10));
	cr_assert(live_put(live_expect(block(2), 512 << 10), block(2), &e));
	cr_assert_not(live_put(live_expect(block(1), 1), block(1), &e), "it has an entry in the first");
	cr_assert(insert_at(3, 1));
	cr_assert_not(live_put(live_expect(block(1), 1), block(1), &e));
	cr_assert_not(live_put(live_expect(block(3), 512 << 10), block(3), &e), "it has an entry in the second");
	for (uint64_t i = 1; i <= 3; i++) {
		struct live_ref ref;

		cr_assert(live_detach(block(i), &ref), "block %lu", i);
		live_drop(&ref);
		cr_assert_not(live_detach(block(i), &ref), "block %lu has two", i);
	}
}

static uint64_t resident_kib(void)
{
	unsigned long size, rss = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	cr_assert_eq(fscanf(f, "%lu %lu", &size, &rss), 2);
	fclose(f);
	return rss * 4;
}

Test(live_later, the_second_table_costs_nothing_until_then)
{
	uint64_t before = resident_kib();

	cr_assert_eq(live_reserve(1 << 20), 0); /* 64 MiB */
	for (uint64_t i = 0; i < 4000; i++) {
		cr_assert(insert_at(i * 997, 512 << 10));
		cr_assert_not(take(i * 997 + 1));
	}
	cr_expect_lt(resident_kib() - before, 4096);
}

/* 10 million churn operations; a chain that grew with use, or a tombstone, would slow the last rounds down without
 * bound: what is looked at is not time but that as much fits as at first, and that homes forget what is gone. */
Test(live_later, does_not_decay_in_ten_million_operations)
{
	enum { BLOCKS = 5000, STEPS = 10000000 };
	static bool is_live[BLOCKS];
	uint64_t at_first, n;

	at_first = fill_up();
	for (uint64_t i = 0; i < at_first; i++)
		cr_assert(take(i));
	for (int step = 0; step < STEPS; step++) {
		uint64_t i = next_random() % BLOCKS;

		if (is_live[i])
			cr_assert(take(i * 37));
		else
			cr_assert(insert(i * 37), "refused at 70 %% load after %d steps", step);
		is_live[i] = !is_live[i];
	}
	for (uint64_t i = 0; i < BLOCKS; i++)
		cr_assert_eq(take(i * 37), is_live[i]);
	cr_expect_eq(filter_marks(), 0);
	n = fill_up();
	cr_expect_eq(n, at_first, "%lu fit, at first %lu", n, at_first);
}

Test(live_later, pins_the_filter_for_exact_mode)
{
	live_filter_pin_all();
	for (uint64_t i = 0; i < 1000; i++) {
		cr_assert(insert(i));
		cr_assert(take(i));
		cr_assert(live_maybe(block(i)));
	}
	cr_expect_eq(filter_marks(), (1 << LIVE_FILTER_BITS) - 1);
}
