/* collectord/profile/report_groups.h - totals per thread, or per process: one row for each value of a label. */
#pragma once

#include "collectord/profile/report.h"

/* Labels that say whose a sample is: a name, and a number that tells equal names apart. */
struct report_group_by {
	const char *what; /* "thread": for people */
	const char *name_key, *number_key;
	const char *mend; /* what to do if no sample has them, for the fault */
};

/* A row per pair of labels, those with most of the chosen values first; all kinds of values, with the 95 % interval
 * where it is known.  Filters and nodecount (-1: 30) of `o` apply.  0, -ENOMEM, or -EINVAL with a fault. */
int report_print_groups(const struct profile *p, const struct report_options *o, const struct report_group_by *by,
			FILE *out, struct fault *f);
