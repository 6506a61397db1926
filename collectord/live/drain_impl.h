/* collectord/live/drain_impl.h - between drain.c, drain_spill.c and drain_state.c. */
#pragma once

#include "collectord/live/drain.h"

/* The bucket for `stack`, read out of the region when it is new; NULL: the id names nothing, or this stack would
 * make the books larger than the region's arena, which an honest one cannot. */
struct bucket *drain_bucket(struct drain *d, struct books *books, uint32_t stack);

/* Are the counters due to be read? */
bool drain_spill_due(struct drain *d, uint64_t now_ns);

/* The same, and has been for a while. */
bool drain_spill_is_quiet(const struct drain *d);

/* Room for what was seen of the counters.  False: no memory. */
bool drain_spill_ready(struct drain *d);

/* Give back the slots that are over: what was read out of them is committed. */
void drain_spill_release(struct drain *d);

static inline void drain_spill_mark(struct drain *d, uint32_t slot)
{
	d->spill_used[slot / 64] |= 1ull << slot % 64;
}

static inline bool drain_spill_is_used(const struct drain *d, uint32_t slot)
{
	return d->spill_used[slot / 64] >> slot % 64 & 1;
}
