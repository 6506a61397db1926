/* common/lane.h - one lane: a single-producer single-consumer ring of events in shared memory.
 *
 * Writer: any traced thread, also in a signal handler; takes a lane by try-lock, never waits.  A holder that is
 * interrupted and re-enters finds its lane busy and takes the next one.  A writer killed at any point leaves at
 * most a locked lane: nothing it did not publish is visible.
 * Reader: the collector's loop, one thread; it keeps its own tail and believes nothing it reads here.
 * Letters: common/abi.h. */
#pragma once

#include "common/abi.h"

/* Writer: lock a lane with room for one event, trying at most `tries` lanes from `hint` on.  Returns the lane's
 * number, locked for `ordinal`, or -1: none free, or none with room. */
int lane_acquire(const struct abi_region *r, uint32_t ordinal, uint32_t hint, uint32_t tries);

/* Writer: put one event into the lane got from lane_acquire(), publish it and unlock. */
void lane_publish(const struct abi_region *r, int lane, const struct abi_event *e);

/* Reader: copy up to `max` events of `lane` into `out`.  `tail` is the reader's own count, advanced by what was
 * copied.  Returns the number copied, or -1 if head is impossible (more than the lane holds, or behind tail):
 * the session is corrupt.  The space is given back only by lane_release(). */
int64_t lane_copy(const struct abi_region *r, uint32_t lane, uint64_t *tail, struct abi_event *out, uint32_t max);

/* Reader: tell writers that everything before `tail` was consumed. */
void lane_release(const struct abi_region *r, uint32_t lane, uint64_t tail);

/* Reader: unlock every lane that `ordinal`, known to be dead, still holds.  Returns how many. */
uint32_t lane_unlock_dead(const struct abi_region *r, uint32_t ordinal);
