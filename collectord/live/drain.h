/* collectord/live/drain.h - from a session's shared region into its processes' books: lanes, spill counters,
 * stacks.
 *
 * The loop's thread only.  Everything in the region is hostile: events are copied, then checked; what fails is
 * refused and counted; an impossible head ends the session.  A pass handles a bounded batch.  Within a pass events
 * are entered in the order of their (coarse) times over all lanes, so that a block freed by another thread than
 * its owner does not fake a peak. */
#pragma once

#include "collectord/live/books.h"
#include "collectord/live/state.h"
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
	 * NULL; *ret_begun then.  Without memory for one it sets is_short. */
	struct ledger *(*ledger_of)(void *arg, uint32_t ordinal, bool *ret_begun);
	void *arg;
	int memfd;                     /* of the region, to skip its holes; borrowed */
	struct state *state;           /* NULL: nothing outlives us; borrowed */
	uint64_t tails[ABI_MAX_LANES]; /* ours: the shared ones are only for the writers */
	uint64_t given[ABI_MAX_LANES]; /* as the shared ones are */
	struct spill_sums *spill_seen; /* by slot, from the first spill on */
	uint64_t *spill_used;          /* bits: slots with sums in spill_seen */
	uint32_t *spill_over;          /* slots of dead processes, to be given back when that is committed */
	uint32_t n_spill_over, cap_spill_over;
	uint64_t spilled_mark; /* the processes' `spilled` when the counters were last read */
	bool spill_settling;   /* read them once more */
	uint64_t spill_not_before_ns;
	uint64_t emptied_ns;       /* when the lanes were last read to the end */
	uint64_t words, max_words; /* of memory in all ledgers' buckets, and when there are no more of them */
	uint64_t corrupt;          /* for the audit */
	bool is_broken;            /* a lane's head was impossible: nothing is drained any more */
	bool is_short;             /* of memory: something was left where it is, for the next pass */
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

/* Nothing came since the last pass. */
bool drain_is_quiet(const struct drain *d);

/* Enter all that was published before the call, spill counters included.  0 or -EBADMSG. */
int drain_all(struct drain *d, uint64_t now_ns);

/* Enter all gains of all spill counters, moved or not: where totals must be right now, and at the end. */
void drain_spill(struct drain *d, uint64_t now_ns);

/* What was entered counts from now on, and its space is the writers' again.  Part of the above; for who enters by
 * drain_spill(). */
void drain_commit(struct drain *d);

/* The books of a process that events went to will be gone. */
void drain_forget(struct drain *d, const struct ledger *g);

/* A process's own counters, and ours; events refused in the whole session go to ordinal 0. */
void drain_audit(const struct drain *d, uint32_t ordinal, const struct ledger *g, struct snapshot_audit *ret);

/* Enter one event; `g` may be NULL.  0, or -EBADMSG: it is refused. */
int drain_enter(struct drain *d, struct ledger *g, const struct abi_event *e);

/* What the state's log says beside events, once more; `g` is the ledger of its process.  0, -EBADMSG: it cannot
 * have been logged, or -ENOMEM. */
struct record_spill {
	uint32_t slot, proc, stack;
	uint32_t flags; /* SPILL_* */
	uint64_t time_ns;
	struct spill_sums gain;
};
#define SPILL_REFUSED 1u /* seen, not entered */
#define SPILL_OVER 2u    /* the slot is given back */
#define SPILL_FIRST 4u   /* nothing was seen of the slot before, or since it was given back */
int drain_replay_spill(struct drain *d, struct ledger *g, const struct record_spill *r);

struct record_tails {
	uint64_t corrupt;
	struct {
		uint32_t lane, pad;
		uint64_t tail;
	} moved[];
};
int drain_replay_tails(struct drain *d, const struct record_tails *r, size_t size);

struct pack_writer;
struct pack_reader;
/* All of it but the ledgers, for a checkpoint; drain_unpack() into one that drain_init() made.  0, -EBADMSG,
 * -ENOMEM. */
void drain_pack(const struct drain *d, struct pack_writer *w);
int drain_unpack(struct drain *d, struct pack_reader *r);

/* A ledger came out of a checkpoint: the opposite of drain_forget(). */
void drain_remember(struct drain *d, const struct ledger *g);

/* After a replay: what had been committed is done to the region, if it was not yet. */
void drain_resume(struct drain *d);
