/* collectord/profile/pprof_limit.h - profiles that the strictest servers accept.
 *
 * Pyroscope refuses what has more than 16 000 samples or is larger than 4 MiB unpacked (its defaults). */
#pragma once

#include "collectord/profile/profile.h"

#define PPROF_LIMIT_SAMPLES 16000u
#define PPROF_LIMIT_BYTES ((size_t)4 << 20)
#define PPROF_LIMIT_NAME "[small stacks]" /* the one frame of what stands for them */

/* A copy within the limits: the heaviest stacks as they are, the others as one, so that all sums stay.  `p` keeps
 * what it says and gets a location it does not use.  *ret_merged: how many went into the one.  0, -ENOMEM, or
 * -EINVAL with a fault. */
int pprof_limit(struct profile *p, struct profile **ret, size_t *ret_merged, struct fault *f);
