/* tests/unit/drain_rig.h - a drain with books on a real sealed memfd, small enough to overflow.
 *
 * One owner, one thread; rig_done() frees everything.  Any failure to set up ends the test. */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/live/drain.h"
#include "collectord/live/region.h"
#include "common/lane.h"
#include "common/spill.h"
#include "common/stacktab.h"

struct rig {
	struct shared_region region;
	struct abi_region *r;
	struct ledger ledgers[2]; /* of the processes small_geometry() has */
	uint32_t begun;           /* bits: asked for */
	struct drain d;
	struct drain_scratch *scratch;
};

static inline struct abi_geometry small_geometry(void)
{
	return (struct abi_geometry){ .lanes = 4,
				      .lane_events = 64,
				      .procs = 2,
				      .stack_slots = 256,
				      .stack_words = 1024,
				      .spill_slots = 4096,
				      .modules = 4,
				      .strings = 64 };
}

static inline struct ledger *rig_ledger(void *arg, uint32_t ordinal, bool *ret_begun)
{
	struct rig *g = arg;

	cr_assert_lt(ordinal, 2);
	if (ret_begun) {
		*ret_begun = !(g->begun & 1u << ordinal);
		g->begun |= 1u << ordinal;
	}
	return &g->ledgers[ordinal];
}

static inline void rig_init(struct rig *g, struct abi_geometry geo)
{
	memset(g, 0, sizeof(*g));
	cr_assert_eq(region_create(&geo, 1, 0, 1, 127, &g->region), 0);
	g->r = &g->region.map;
	g->scratch = malloc(sizeof(*g->scratch));
	cr_assert_not_null(g->scratch);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(books_init(&g->ledgers[i].books, geo.stack_slots), 0);
	drain_init(&g->d, g->r, g->region.memfd, g->scratch, rig_ledger, g);
	add_relaxed(&g->r->cursors->procs, 1);
}

static inline void rig_done(struct rig *g)
{
	drain_done(&g->d);
	for (int i = 0; i < 2; i++)
		books_done(&g->ledgers[i].books);
	region_destroy(&g->region);
	free(g->scratch);
}

static inline uint32_t stack(const struct rig *g, uint64_t leaf)
{
	uint64_t frames[] = { leaf, 0x2000, 0x3000 };
	uint32_t id = stack_intern(g->r, frames, 3, 0, 0, stack_hash(frames, 3, 0, 0));

	cr_assert_neq(id, 0);
	return id;
}

static inline struct abi_event alloc_event(uint32_t id, uint64_t size)
{
	return (struct abi_event){ .kind = ABI_EVENT_ALLOC, .size = size, .rate = 1, .stack = id };
}

static inline void put(const struct rig *g, uint32_t lane, struct abi_event e)
{
	int got = lane_acquire(g->r, 0, lane, 1);

	cr_assert_eq(got, (int)lane);
	lane_publish(g->r, got, &e);
}

static inline uint64_t pass(struct rig *g, uint64_t now)
{
	struct drain_result res;

	cr_assert_eq(drain_pass(&g->d, now, &res), 0);
	return res.events;
}

static inline struct snapshot_values total(const struct rig *g)
{
	struct snapshot_values v;

	books_total(&g->ledgers[0].books, &v);
	return v;
}
