/* collectord/profile/report_rows.h - the numbers of a report as data: one row per function or per stack, in
 * columns.
 *
 * For what compares several profiles.  They are merged into one whose samples carry the column they belong to, so
 * that rows match by name, wherever the code lay in memory, and all filters apply.  Everything of a table goes with
 * report_rows_free(). */
#pragma once

#include "collectord/profile/report.h"

struct report_cell {
	int64_t flat, cum; /* of a stack: the same */
	double flat_variance, cum_variance;
	double objects, ages_ns; /* flat: objects in use, and the sum of their ages */
};

struct report_row {
	const char *name;    /* of a stack: its frames, leaf first, with '\n' between */
	const char *matches; /* of a stack: every function, source file and module, with '\n' between */
	struct report_cell *cells;
	struct profile_extra extra; /* flat: over all columns */
};

struct report_rows {
	struct report_row *rows;
	size_t n_rows, n_columns;
	int64_t *totals; /* per column, of what the filters left */
	double *variances;
	const char *unit, *type;
	bool has_variance, has_extra; /* does every sample say? */
	struct profile *strings;      /* private */
};

/* Put all samples into column `column`.  0 or -ENOMEM. */
int report_rows_label(struct profile *p, uint32_t column);

/* Rows in no particular order; of `o` all that filters, not what trims.  0, -ENOMEM or -EINVAL with a fault. */
int report_rows_new(const struct profile *p, const struct report_options *o, bool by_stack, uint32_t n_columns,
		    struct report_rows **ret, struct fault *f);
void report_rows_free(struct report_rows *t); /* takes NULL */
