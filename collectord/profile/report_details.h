/* collectord/profile/report_details.h - what pprof has no words for: how long objects live, how large they are,
 * which were freed at once.  Of heaptap snapshots only; several that were merged count as one. */
#pragma once

#include <stdio.h>

#include "collectord/profile/report_rows.h"

/* Replace the sample types by temporary_objects and temporary_space: what its thread freed before it allocated
 * anything else.  0, -ENOMEM, or -EINVAL with a fault if the profile does not know. */
int report_make_temporary(struct profile *p, struct fault *f);

/* One table by function: lifetimes of freed objects and ages of those in use; or sizes.  Filters, granularity and
 * nodecount (-1: 30) of `o` apply.  0, -ENOMEM, or -EINVAL with a fault. */
int report_print_lifetimes(const struct profile *p, const struct report_options *o, FILE *out, struct fault *f);
int report_print_sizes(const struct profile *p, const struct report_options *o, FILE *out, struct fault *f);
