/* common/spill.h - counters that take an event when no lane has room: a full ring costs time, never a total.
 *
 * Writer: traced threads, relaxed adds into the (process, stack) entry; a full table falls back to the process's
 * (ordinal, stack 0) entry, which spill_reserve() made when the process attached.
 * Reader: the collector sums the differences since its last look, modulo 2^64.  Letters: common/abi.h. */
#pragma once

#include "common/abi.h"

/* What one spill entry holds, as the reader sees it; weights as in common/weight.h. */
struct spill_kind {
	uint64_t events, count, bytes, var_count, var_bytes;
};

struct spill_sums {
	struct spill_kind alloc, freed, inherited;
};

/* What one event adds. */
void spill_of(const struct abi_event *e, struct spill_kind *ret);

/* Writer: make sure the fallback entry of `ordinal` exists.  False if the table is full already. */
bool spill_reserve(const struct abi_region *r, uint32_t ordinal);

/* Writer: add one event's weight.  Returns false if it went to the fallback entry (counted as spill_full),
 * and also when even that is missing: then the event is lost and the caller counts it. */
bool spill_add(const struct abi_region *r, const struct abi_event *e);

/* Reader: copy entry `i`.  False if empty.  *ret_proc and *ret_stack come from its key, unchecked against tables.
 */
bool spill_read(const struct abi_region *r, uint32_t i, uint32_t *ret_proc, uint32_t *ret_stack,
		struct spill_sums *ret);

/* Reader: entry `i`, of a process that is dead and whose sums were read, is for others now. */
void spill_release(const struct abi_region *r, uint32_t i);
