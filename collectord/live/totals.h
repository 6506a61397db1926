/* collectord/live/totals.h - what a collector has seen in all, the dead included: sums that only grow.
 *
 * Loop's thread.  Kept per user, so that what one sees of them only grows as well; of more users than TOTALS_USERS
 * the rest is known in one sum, for those who see all. */
#pragma once

#include <stddef.h>

#include "collectord/live/collector.h"
#include "collectord/live/viewer.h"

#define TOTALS_USERS 4096u

/* All uint64_t: added up as an array. */
struct collector_totals {
	uint64_t processes, inuse_bytes, inuse_objects; /* living ones */
	uint64_t ended;
	uint64_t alloc_bytes; /* counted where the process does (snapshot.h), so behind by a little; else estimated
			       */
	uint64_t alloc_objects;
	uint64_t samples, frees;
	uint64_t drained, spilled; /* events */
	uint64_t untracked, corrupt, stack_full, truncated;
	uint64_t snapshots;
};

/* What one process adds to them. */
void totals_of(const struct session_view *v, struct collector_totals *ret);

/* Of processes that are gone. */
struct totals_past {
	struct totals_user {
		uint32_t uid;
		struct collector_totals sums;
	} * users;
	size_t n, room;
	struct collector_totals rest;
};
void totals_bury(struct totals_past *past, const struct session_view *v);
void totals_past_done(struct totals_past *past); /* takes a zeroed one */

/* Of all processes `who` may see, and how many sessions they are. */
void collector_totals(const struct collector *c, const struct viewer *who, struct collector_totals *ret,
		      uint64_t *ret_sessions);

/* The longest time since the events of a session `who` may see were last read to the end. */
uint64_t collector_lag_ns(const struct collector *c, const struct viewer *who);
