/* preload/emit.c - see emit.h. */
#include "preload/emit.h"

#include "common/lane.h"
#include "common/spill.h"
#include "preload/attach.h"
#include "preload/sampler.h"

#define LANE_TRIES 4u

static void put(uint32_t holder, struct abi_event *e)
{
	const struct abi_region *r = &attach.region;
	struct abi_proc *p = &r->procs[holder - 1];
	int lane;

	e->proc = (uint16_t)(holder - 1);
	e->tid = attach_tid();
	lane = lane_acquire(r, e->proc, sampler.id, LANE_TRIES);
	if (LIKELY(lane >= 0)) {
		lane_publish(r, lane, e);
		return;
	}
	add_relaxed(&p->spilled, 1);
	if (!spill_add(r, e))
		add_relaxed(&p->spill_full, 1);
}

void emit_alloc(uint32_t holder, const struct live_entry *from)
{
	struct abi_event e = {
		.kind = ABI_EVENT_ALLOC,
		.size = from->size,
		.time_ns = from->born_ns,
		.born_ns = from->born_ns,
		.rate = from->rate,
		.stack = from->stack,
	};

	add_relaxed(&attach.region.procs[holder - 1].samples, 1);
	put(holder, &e);
}

void emit_free(uint32_t holder, const struct live_entry *from)
{
	struct abi_event e = {
		.kind = ABI_EVENT_FREE,
		.size = from->size,
		.time_ns = attach_now(),
		.born_ns = from->born_ns,
		.rate = from->rate,
		.stack = from->stack,
	};

	add_relaxed(&attach.region.procs[holder - 1].frees, 1);
	put(holder, &e);
}
