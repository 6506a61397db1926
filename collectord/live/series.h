/* collectord/live/series.h - a process's heap over time, in bounded memory.
 *
 * One owner, one thread.  The run is cut into equal intervals; when there would be more than SERIES_POINTS, pairs
 * become one.  An interval keeps least, most and last of what is in use, so spikes outlive the merging, and exact:
 * the largest `bytes_max` of all is the peak.  Order is that in which the collector sees events; one that is late
 * (another lane's, a tick behind) counts in the interval that is open.  Out of memory: the series ends there. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/snapshot.h"

#define SERIES_POINTS 512u
#define SERIES_INTERVAL_NS 10000000u /* at first: the collector's and the clock's own grain */

struct series {
	struct snapshot_series s; /* points: malloc'ed; the last one is open */
	uint32_t cap;
	bool broken;     /* out of memory */
	uint64_t end_ns; /* of the open interval; 0 before the first event */
};

/* At `t` the totals became `now`: bytes_last, count_last, alloc_*; the others of its fields are not read. */
void series_note(struct series *v, uint64_t t, const struct snapshot_point *now);

void series_done(struct series *v);
