/* collectord/cli/growth_print.h - what `heaptap growth` prints. */
#pragma once

#include <stdio.h>

#include "collectord/profile/report_rows.h"
#include "collectord/profile/suppressions.h"

struct growth_table {
	const struct report_rows *rows;
	const double *seconds; /* per column, rising */
	const char *what;      /* the program; may be NULL */
	bool all;
};

/* 0 or -ENOMEM. */
int growth_print(const struct growth_table *t, const struct report_options *o, struct suppressions *s, FILE *out);
