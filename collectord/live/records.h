/* collectord/live/records.h - what a session's log says of its processes; of events and lanes: drain.h.
 *
 * Replayed onto the newest checkpoint in the order in which they were logged.  Sizes are multiples of 8; structs
 * grow at their ends, and with STATE_MINOR (state.h). */
#pragma once

#include <assert.h>

#include "collectord/profile/snapshot.h"
#include "common/testnext.h"

/* A process was taken up; its number is the next one. */
struct record_process {
	uint32_t ordinal, pid, ppid, said_pid;
	uint64_t start_ns, ticks;
	uint32_t is_nested, pad;
	TEST_NEXT(uint64_t check;)
};

/* Its end was seen. */
struct record_end {
	uint32_t number, reason;
	uint64_t end_ns;
	int32_t exit_known, exit_status;
};

/* All it left is in its books, its entry is about to be given back. */
struct record_buried {
	uint32_t number, pad;
	struct snapshot_audit audit;
};

/* It was forgotten: its last snapshot is on disk, or will never be. */
struct record_gone {
	uint32_t number, pad;
};

/* A snapshot of it is on disk. */
struct record_saved {
	uint32_t number, why, file, pad;
	char path[192]; /* below out_dir */
};

struct record_change {
	uint32_t rate, max_depth;
	uint32_t by_thread, pad;
};

/* No more events. */
struct record_over {
	uint32_t is_broken, pad;
	uint64_t corrupt; /* for the audit */
};

static_assert(sizeof(struct record_process) % 8 == 0 && sizeof(struct record_end) % 8 == 0 &&
		      sizeof(struct record_buried) == 112 && sizeof(struct record_saved) % 8 == 0,
	      "records are in words");
