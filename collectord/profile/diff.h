/* collectord/profile/diff.h - what became of memory between two profiles, function by function, with how sure it
 * is. */
#pragma once

#include <stdio.h>

#include "collectord/profile/report_rows.h"

struct diff_total {
	int64_t old, new;
	double error; /* of the difference, 95 %; negative: unknown */
};

/* Colours, or "" each. */
struct diff_paint {
	const char *more, *less, *plain;
};

/* Print what changed, the largest changes first; column 0 is old, 1 is new.  `o` says how many rows (-1: 30), which
 * values and which order.  0 or -ENOMEM. */
int diff_print(const struct report_rows *t, const struct report_options *o, const struct diff_paint *paint,
	       struct diff_total *ret, FILE *out);
