/* preload/emit.c - see emit.h. */
#include "preload/emit.h"

#include "common/lane.h"
#include "common/spill.h"
#include "common/testpoint.h"
#include "preload/attach.h"
#include "preload/sampler.h"

#define LANE_TRIES 4u
#define PAUSES (1u << 20) /* the longest wait: some ten milliseconds, longer than the collector's naps */

/* For a loop that waits for another processor. */
static void breathe(void)
{
#if defined(__x86_64__)
	__asm__ volatile("pause");
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static _Atomic uint32_t gave_up; /* a wait was in vain, and no lane has had room since */

/* Asked to wait: without a system call, and not again for a collector that did not come.  -1: spill. */
static COLD NOINLINE int wait_for_lane(const struct abi_region *r, uint32_t proc)
{
	int lane = -1;

	if (load_relaxed(&r->control->on_full) != ABI_ON_FULL_WAIT || load_relaxed(&gave_up))
		return -1;
	for (uint32_t i = 0; lane < 0 && i < PAUSES; i++) {
		breathe();
		if (i % 64 == 63)
			lane = lane_acquire(r, proc, sampler.id, LANE_TRIES);
	}
	if (lane < 0)
		store_relaxed(&gave_up, 1);
	return lane;
}

static int take_lane(const struct abi_region *r, uint32_t proc)
{
	int lane = lane_acquire(r, proc, sampler.id, LANE_TRIES);

	if (UNLIKELY(lane < 0))
		return wait_for_lane(r, proc);
	if (UNLIKELY(load_relaxed(&gave_up)))
		store_relaxed(&gave_up, 0);
	return lane;
}

static void put_lane(const struct abi_region *r, struct abi_event *e)
{
	struct abi_proc *p = &r->procs[e->proc];
	int lane = take_lane(r, e->proc);

	if (LIKELY(lane >= 0)) {
		lane_publish(r, lane, e);
		return;
	}
	add_relaxed(&p->spilled, 1);
	TEST_POINT(spill_announced);
	if (!spill_add(r, e))
		add_relaxed(&p->spill_full, 1);
}

/* A signal handler may fork on the way here: its child comes back, too, and the event is its parent's.  If it forks
 * while we write, the child is given another memory to write to (child.c). */
static void put(uint32_t holder, struct abi_event *e)
{
	uint16_t was_writing = sampler.writing;

	e->proc = (uint16_t)(holder - 1);
	e->tid = attach_tid();
	sampler.writing = 1;
	fence_signal();
	if (LIKELY(attach_still(holder)))
		put_lane(&attach.region, e);
	fence_signal();
	sampler.writing = was_writing;
}

/* What all events of a sampled block repeat. */
static inline struct abi_event event_of(enum abi_event_kind kind, const struct live_entry *from, uint64_t time_ns)
{
	return (struct abi_event){
		.kind = (uint8_t)kind,
		.size = from->size,
		.time_ns = time_ns,
		.born_ns = from->born_ns,
		.rate = from->rate,
		.stack = from->stack,
	};
}

void emit_alloc(uint32_t holder, const struct live_entry *from)
{
	struct abi_event e = event_of(ABI_EVENT_ALLOC, from, from->born_ns);

	put(holder, &e);
}

void emit_free(uint32_t holder, const struct live_entry *from, uint8_t flags)
{
	struct abi_event e = event_of(ABI_EVENT_FREE, from, attach_now());

	e.flags = flags;
	put(holder, &e);
}

void emit_inherited(uint32_t holder, const struct live_entry *from)
{
	struct abi_event e = event_of(ABI_EVENT_INHERITED, from, attach_now());

	put(holder, &e);
}

void emit_inherited_many(uint32_t holder, uint32_t stack, uint64_t blocks, uint64_t bytes)
{
	struct abi_event e = {
		.kind = ABI_EVENT_INHERITED,
		.flags = ABI_EVENT_MANY,
		.size = bytes,
		.time_ns = attach_now(),
		.born_ns = blocks,
		.rate = 1,
		.stack = stack,
	};

	put(holder, &e);
}
