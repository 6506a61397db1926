/* collectord/profile/report.h - text reports over a profile, as `go tool pprof` prints them.
 *
 * Algorithms and number formats: the pprof tool of Go 1.19, the oracle in tests.  Pure: profile in, text out. */
#pragma once

#include <stdio.h>

#include "collectord/profile/profile.h"

struct report_options {
	size_t sample_type;   /* index into sample_types */
	bool cum;             /* sort by cumulative */
	int node_count;       /* rows; -1 = the report's default (text/top: all, limited by node_fraction) */
	double node_fraction; /* 0.005 by default */
	const char *title;    /* "File: ..." line's name; NULL = from mapping 0 */
};

#define REPORT_OPTIONS_DEFAULT                                                           \
	{                                                                                \
		.sample_type = 0, .cum = false, .node_count = -1, .node_fraction = 0.005 \
	}

/* The `top`/`text` report.  0 or -ENOMEM. */
int report_top(const struct profile *p, const struct report_options *o, FILE *out);
