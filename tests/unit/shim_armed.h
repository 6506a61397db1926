/* tests/unit/shim_armed.h - this process as a traced one: armed at T = 1 against a region in ordinary memory.
 *
 * For tests that call the cold twins directly; their blocks come from libc.  Each Criterion test is a process of
 * its own and arms itself once.  The books it keeps from the events must equal what it did. */
#pragma once

#include <criterion/criterion.h>

#include "common/lane.h"
#include "preload/child.h"
#include "preload/record.h"
#include "preload/sampler.h"
#include "tests/unit/region.h"
#include "tests/unit/shim_arm.h"

static struct test_region t;
static uint64_t tails[ABI_MAX_LANES];

static inline void armed_start(uint32_t lane_events)
{
	struct abi_geometry geo = test_geometry();

	geo.lane_events = lane_events;
	test_region_init(&t, &geo);
	store_relaxed(&t.r.control->rate, 1);
	store_relaxed(&t.r.control->max_depth, 16);
	arm(&t.r);
}

/* And as entry 0 of the process table, so that children can announce themselves. */
static inline void armed_start_as_process(uint32_t lane_events)
{
	armed_start(lane_events);
	attach_find_tid();
	store_relaxed(&t.r.cursors->procs, 1);
	store_relaxed(&t.r.procs[0].state, ABI_PROC_ACTIVE);
	child_init((uint32_t)getpid(), 0);
}

struct books {
	uint64_t allocs, frees;
	int64_t live_bytes;
	struct abi_event last;
};

/* What has been published since the last look. */
static inline struct books drain(void)
{
	struct books b = { 0 };
	struct abi_event e;

	for (uint32_t l = 0; l < t.r.geo.lanes; l++) {
		while (lane_copy(&t.r, l, &tails[l], &e, 1) == 1) {
			b.allocs += e.kind == ABI_EVENT_ALLOC;
			b.frees += e.kind == ABI_EVENT_FREE;
			b.live_bytes += e.kind == ABI_EVENT_ALLOC ? (int64_t)e.size : -(int64_t)e.size;
			b.last = e;
		}
		lane_release(&t.r, l, tails[l]);
	}
	return b;
}

static inline void expect(uint64_t allocs, uint64_t frees, int64_t live_bytes)
{
	struct books b = drain();

	cr_expect_eq(b.allocs, allocs, "%lu allocs, not %lu", b.allocs, allocs);
	cr_expect_eq(b.frees, frees, "%lu frees, not %lu", b.frees, frees);
	cr_expect_eq(b.live_bytes, live_bytes, "%ld bytes live, not %ld", b.live_bytes, live_bytes);
}

static inline struct spill_sums spilled(void)
{
	struct spill_sums sum = { 0 }, one;
	uint32_t proc, stack;

	for (uint32_t i = 0; i < t.r.geo.spill_slots; i++) {
		if (!spill_read(&t.r, i, &proc, &stack, &one))
			continue;
		sum.alloc.events += one.alloc.events;
		sum.freed.events += one.freed.events;
		sum.inherited.events += one.inherited.events;
		sum.alloc.bytes += one.alloc.bytes;
		sum.freed.bytes += one.freed.bytes;
		sum.inherited.bytes += one.inherited.bytes;
	}
	return sum;
}
