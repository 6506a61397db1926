/* collectord/live/drain.h - from a session's shared region into its books: lanes, spill counters, stacks.
 *
 * The loop's thread only.  Everything in the region is hostile: events are copied, then checked; what fails is
 * refused and counted; an impossible head ends the session.  A pass handles a bounded batch.  Within a pass events
 * are entered in the order of their (coarse) times over all lanes, so that a block freed by another thread than
 * its owner does not fake a peak. */
#pragma once

#include "collectord/live/books.h"
#include "common/abi.h"

#define DRAIN_BATCH (64u * 1024) /* events a pass copies at most */

/* Working memory, shared by all sessions of a collector. */
struct drain_scratch {
	struct abi_event events[DRAIN_BATCH];
	uint64_t frames[ABI_MAX_DEPTH];
};

struct drain {
	const struct abi_region *region; /* borrowed, like the next two */
	struct books *books;
	struct drain_scratch *scratch;
	int memfd;                     /* of the region, to skip its holes; borrowed */
	uint64_t tails[ABI_MAX_LANES]; /* ours: the shared ones are only for the writers */
	struct spill_sums *spill_seen; /* by slot, from the first spill on */
	uint64_t spilled_mark;         /* the processes' `spilled` when the counters were last read */
	bool spill_settling;           /* read them once more */
	uint64_t spill_not_before_ns;
	uint64_t drained, spilled, corrupt; /* for the audit */
};

struct drain_result {
	uint64_t events;   /* entered, refused ones included */
	uint32_t fill_pct; /* of the fullest lane, when we came */
	bool more;         /* the batch was too small */
};

void drain_init(struct drain *d, const struct abi_region *region, int memfd, struct books *books,
		struct drain_scratch *scratch);
void drain_done(struct drain *d); /* takes a zeroed one */

/* Enter what the lanes hold, at most a batch, and spill counters if they moved.  `now_ns`: since the session began.
 * 0, or -EBADMSG: a lane's head is impossible, the region is not to be trusted any more. */
int drain_pass(struct drain *d, uint64_t now_ns, struct drain_result *ret);

/* Enter all gains of all spill counters, moved or not: where totals must be right now, and at the end. */
void drain_spill(struct drain *d, uint64_t now_ns);

/* Sums of the processes' own counters, and ours. */
void drain_audit(const struct drain *d, struct snapshot_audit *ret);
