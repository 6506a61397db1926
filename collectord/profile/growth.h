/* collectord/profile/growth.h - does what one stack holds keep growing?  A judgement over values at several
 * moments. */
#pragma once

#include <stddef.h>

#include "collectord/profile/report_rows.h"

enum growth_kind {
	GROWTH_STEADY,  /* no change beyond the error of the samples */
	GROWTH_LEAK,    /* grew, and still does */
	GROWTH_PLATEAU, /* grew, and stopped */
	GROWTH_SPIKE,   /* was far higher than it ended */
	GROWTH_SHRINKS,
	GROWTH_KINDS,
};

struct growth {
	enum growth_kind kind;
	int64_t first, last, most;
	double error; /* of last - first, 95 % */
	double slope; /* per second, over the second half of the time */
	double age_s; /* mean age of what is in use at the end; 0: unknown */
	double objects;
};

/* Judge n cells at times seconds[n], rising.  With fewer than 3 moments nothing is called a leak: one step is no
 * trend. */
struct growth growth_judge(const struct report_cell *cells, const double *seconds, size_t n);

const char *growth_name(enum growth_kind kind); /* "leak" */
