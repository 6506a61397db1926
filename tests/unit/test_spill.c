/* tests/unit/test_spill.c - spill counters: the same totals as events would give, whatever the table's fill. */
#include <pthread.h>

#include <criterion/criterion.h>

#include "common/spill.h"
#include "common/weight.h"
#include "tests/unit/region.h"

static struct test_region t;

static void setup(void)
{
	struct abi_geometry geo = test_geometry();

	test_region_init(&t, &geo);
}

static void teardown(void)
{
	test_region_done(&t);
}

TestSuite(spill, .init = setup, .fini = teardown);

static void add_kind(struct spill_kind *to, const struct spill_kind *k)
{
	to->events += k->events;
	to->count += k->count;
	to->bytes += k->bytes;
	to->var_count += k->var_count;
	to->var_bytes += k->var_bytes;
}

static struct spill_sums sum_all(void)
{
	struct spill_sums all = { 0 }, one;
	uint32_t proc, stack;

	for (uint32_t i = 0; i < t.r.geo.spill_slots; i++) {
		if (!spill_read(&t.r, i, &proc, &stack, &one))
			continue;
		add_kind(&all.alloc, &one.alloc);
		add_kind(&all.freed, &one.freed);
		add_kind(&all.inherited, &one.inherited);
	}
	return all;
}

Test(spill, keeps_the_weights_of_events_by_process_and_stack)
{
	struct abi_event e = { .size = 1000, .rate = 4096, .stack = 7, .proc = 2, .kind = ABI_EVENT_ALLOC };
	struct weight w = weight_of(1000, 4096);
	struct spill_sums s;
	uint32_t proc = 0, stack = 0, found = 0;

	cr_assert(spill_add(&t.r, &e));
	cr_assert(spill_add(&t.r, &e));
	e.kind = ABI_EVENT_FREE;
	cr_assert(spill_add(&t.r, &e));
	for (uint32_t i = 0; i < 64; i++)
		if (spill_read(&t.r, i, &proc, &stack, &s))
			found++;
	cr_assert_eq(found, 1);
	s = sum_all();
	cr_assert_eq(s.alloc.events, 2);
	cr_assert_eq(s.alloc.count, 2 * w.count);
	cr_assert_eq(s.alloc.bytes, 2 * w.bytes);
	cr_assert_eq(s.freed.bytes, w.bytes);
}

Test(spill, falls_back_to_stack_0_of_the_process_when_full)
{
	struct weight w = weight_of(64, 1);
	uint32_t exact = 0, proc, stack;
	struct spill_sums s, fallback = { 0 };

	cr_assert(spill_reserve(&t.r, 1));
	for (uint32_t i = 1; i <= 1000; i++) {
		struct abi_event e = { .size = 64, .rate = 1, .stack = i, .proc = 1, .kind = ABI_EVENT_ALLOC };

		exact += spill_add(&t.r, &e);
	}
	cr_assert_eq(exact, 63, "every slot but the reserved one");
	cr_assert_eq(sum_all().alloc.bytes, 1000 * w.bytes, "no byte is lost");
	for (uint32_t i = 0; i < 64; i++)
		if (spill_read(&t.r, i, &proc, &stack, &s) && stack == 0)
			fallback = s;
	cr_assert_eq(fallback.alloc.events, 1000 - 63);
}

enum { THREADS = 4, ADDS = 20000 };

static void *adder(void *arg)
{
	for (uint32_t i = 0; i < ADDS; i++) {
		struct abi_event e = { .size = i, .rate = 1, .stack = i % 20, .kind = ABI_EVENT_ALLOC };

		e.kind = (uintptr_t)arg & 1 ? ABI_EVENT_FREE : ABI_EVENT_ALLOC;
		spill_add(&t.r, &e);
	}
	return NULL;
}

Test(spill, adds_exactly_between_threads, .timeout = 60)
{
	pthread_t threads[THREADS];
	struct spill_sums s;

	for (uintptr_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, adder, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	s = sum_all();
	cr_assert_eq(s.alloc.events, 2 * ADDS);
	cr_assert_eq(s.alloc.bytes, s.freed.bytes);
	cr_assert_eq(s.alloc.count, (uint64_t)2 * ADDS << WEIGHT_COUNT_SHIFT);
}
