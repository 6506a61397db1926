/* collectord/live/drain.h - from a session's shared region into its processes' books: lanes, spill counters,
 * stacks.
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

/* One process's part: its books, and what came into them how. */
struct ledger {
	struct books books;
	uint64_t drained, spilled; /* events */
	bool is_closing;           /* dead: its spill entries are given back as they are read */
};

struct drain {
	const struct abi_region *region; /* borrowed, like the next three */
	struct drain_scratch *scratch;
	/* The ledger of process `ordinal` (< geo.procs), or NULL: there is none.  May begin one unless ret_begun is
	 * NULL; *ret_begun then. */
	struct ledger *(*ledger_of)(void *arg, uint32_t ordinal, bool *ret_begun);
	void *arg;
	int memfd;                     /* of the region, to skip its holes; borrowed */
	uint64_t tails[ABI_MAX_LANES]; /* ours: the shared ones are only for the writers */
	struct spill_sums *spill_seen; /* by slot, from the first spill on */
	uint64_t spilled_mark;         /* the processes' `spilled` when the counters were last read */
	bool spill_settling;           /* read them once more */
	uint64_t spill_not_before_ns;
	uint64_t words, max_words; /* of memory in all ledgers' buckets, and when there are no more of them */
	uint64_t corrupt;          /* for the audit */
	bool is_broken;            /* a lane's head was impossible: nothing is drained any more */
};

struct drain_result {
	uint64_t events;   /* entered, refused ones included */
	uint32_t fill_pct; /* of the fullest lane, when we came */
	bool more;         /* the batch was too small */
};

void drain_init(struct drain *d, const struct abi_region *region, int memfd, struct drain_scratch *scratch,
		struct ledger *(*ledger_of)(void *arg, uint32_t ordinal, bool *ret_begun), void *arg);
void drain_done(struct drain *d); /* takes a zeroed one */

/* Enter what the lanes hold, at most a batch, and spill counters if they moved.  `now_ns`: since the session began.
 * 0, or -EBADMSG: a lane's head is impossible (counted once), the region is not to be trusted any more. */
int drain_pass(struct drain *d, uint64_t now_ns, struct drain_result *ret);

/* Enter all that was published before the call, spill counters included.  0 or -EBADMSG. */
int drain_all(struct drain *d, uint64_t now_ns);

/* Enter all gains of all spill counters, moved or not: where totals must be right now, and at the end. */
void drain_spill(struct drain *d, uint64_t now_ns);

/* The books of a process that events went to will be gone. */
void drain_forget(struct drain *d, const struct ledger *g);

/* A process's own counters, and ours; events refused in the whole session go to ordinal 0. */
void drain_audit(const struct drain *d, uint32_t ordinal, const struct ledger *g, struct snapshot_audit *ret);
