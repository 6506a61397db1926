/* collectord/live/recovery.h - the sessions that a predecessor left, read back one after the other.
 *
 * In slices of a few milliseconds: programs that attach meanwhile have 50 ms.  What is not read back yet is still
 * the keeper's; who is ended meanwhile leaves it to the next one.  The loop's thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/live/keeper.h"
#include "collectord/profile/snapshot.h"

struct collector;
struct loop_timer;
struct session;

struct recovery {
	struct left {
		char name[KEEPER_NAME_SIZE];
		int region, state;
	} * left; /* the last one is next */
	size_t n_left, n_done;
	size_t n_short;          /* that could not be read back for want of memory, since one could */
	uint32_t retry_ms;       /* of them, so long after the last try */
	struct session *at_work; /* of the next one: its log is not all read */
	struct loop_timer *timer;
	uint32_t *callers; /* pids that said hello meanwhile: whoever they were before is no more */
	size_t n_callers, room;
	unsigned wanted; /* snapshots of all, 1 << reason */
};

/* Begin, with what the collector's keeper kept; small ones are read back at once.  0 or -ENOMEM. */
int recovery_begin(struct collector *c);
void recovery_stop(struct collector *c); /* the rest is left to a successor */

bool recovery_is_busy(const struct collector *c);

/* While it is busy: process `pid` executes another program.  0 or -ENOMEM. */
int recovery_note_caller(struct collector *c, uint32_t pid);

/* While it is busy: a snapshot of each that is not there yet. */
void recovery_want(struct collector *c, enum snapshot_reason why);
