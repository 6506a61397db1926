/* tests/unit/test_lane.c - lanes: what is published is read once, in order; a lock, a wild head, a full ring.
 *
 * The stress test is the one to run under SAN=thread: writers and the reader share nothing but the region. */
#include <pthread.h>

#include <criterion/criterion.h>

#include "common/lane.h"
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

TestSuite(lane, .init = setup, .fini = teardown);

static void put(uint64_t size)
{
	struct abi_event e = { .size = size, .kind = ABI_EVENT_ALLOC, .rate = 1 };
	int lane = lane_acquire(&t.r, 0, 0, 1);

	cr_assert_eq(lane, 0);
	lane_publish(&t.r, lane, &e);
}

Test(lane, gives_back_events_in_order_across_the_wrap)
{
	struct abi_event out[16];
	uint64_t tail = 0, next = 0, sent = 0;

	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 1 + round % 16; i++)
			put(sent++);
		cr_assert_eq(lane_copy(&t.r, 0, &tail, out, 16), 1 + round % 16);
		for (int i = 0; i < 1 + round % 16; i++)
			cr_assert_eq(out[i].size, next++);
		lane_release(&t.r, 0, tail);
	}
}

Test(lane, is_passed_over_while_locked_or_full)
{
	int a = lane_acquire(&t.r, 0, 0, 4), b = lane_acquire(&t.r, 1, 0, 4);
	struct abi_event e = { 0 };

	cr_assert_eq(a, 0);
	cr_assert_eq(b, 1, "the next lane, not the locked one");
	lane_publish(&t.r, a, &e);
	lane_publish(&t.r, b, &e);
	for (int i = 1; i < 16; i++)
		put(0);
	cr_assert_eq(lane_acquire(&t.r, 0, 0, 1), -1, "full");
	cr_assert_eq(load_relaxed(&t.r.lanes[0].lock), 0, "a full lane is left unlocked");
	cr_assert_eq(lane_acquire(&t.r, 0, 0, 2), 1);
}

Test(lane, shows_nothing_before_publication)
{
	struct abi_event out[4];
	uint64_t tail = 0;

	cr_assert_eq(lane_acquire(&t.r, 0, 0, 1), 0);
	t.r.events[0].size = 42; /* half written when its writer died */
	cr_assert_eq(lane_copy(&t.r, 0, &tail, out, 4), 0);
}

Test(lane, of_a_dead_holder_is_unlocked_and_only_that)
{
	int a = lane_acquire(&t.r, 2, 0, 4), b = lane_acquire(&t.r, 3, 0, 4);

	cr_assert_eq(lane_unlock_dead(&t.r, 2), 1);
	cr_assert_eq(load_relaxed(&t.r.lanes[a].lock), 0);
	cr_assert_eq(load_relaxed(&t.r.lanes[b].lock), 4);
}

Test(lane, with_an_impossible_head_is_reported)
{
	struct abi_event out[4];
	uint64_t tail = 3;

	store_relaxed(&t.r.lanes[0].head, 2);
	cr_assert_eq(lane_copy(&t.r, 0, &tail, out, 4), -1, "head behind tail");
	store_relaxed(&t.r.lanes[0].head, 3 + 17);
	cr_assert_eq(lane_copy(&t.r, 0, &tail, out, 4), -1, "more than the lane holds");
	cr_assert_eq(tail, 3);
}

enum { WRITERS = 3, EVENTS = 20000 };

static void *writer(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < EVENTS;) {
		struct abi_event e = { .size = i, .tid = me, .kind = ABI_EVENT_ALLOC, .rate = me + 1 };
		int lane = lane_acquire(&t.r, 0, me, 4);

		if (lane < 0)
			continue;
		lane_publish(&t.r, lane, &e);
		i++;
	}
	return NULL;
}

Test(lane, loses_and_repeats_nothing_between_threads, .timeout = 60)
{
	pthread_t threads[WRITERS];
	uint64_t tails[4] = { 0 }, seen[WRITERS] = { 0 }, sum[WRITERS] = { 0 }, total = 0;

	for (uintptr_t i = 0; i < WRITERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, writer, (void *)i), 0);
	while (total < (uint64_t)WRITERS * EVENTS) {
		for (uint32_t l = 0; l < 4; l++) {
			struct abi_event out[16];
			int64_t n = lane_copy(&t.r, l, &tails[l], out, 16);

			cr_assert_geq(n, 0);
			for (int64_t i = 0; i < n; i++) {
				cr_assert_lt(out[i].tid, WRITERS);
				cr_assert_eq(out[i].rate, out[i].tid + 1, "a torn event");
				seen[out[i].tid]++;
				sum[out[i].tid] += out[i].size;
			}
			lane_release(&t.r, l, tails[l]);
			total += (uint64_t)n;
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		cr_assert_eq(seen[i], EVENTS);
		cr_assert_eq(sum[i], (uint64_t)EVENTS * (EVENTS - 1) / 2);
	}
}
