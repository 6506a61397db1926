/* collectord/profile/describe.h - what a profile says about its snapshot beside the samples.
 *
 * pprof prints comments in report headers, except those that begin with '#': so facts for the curious begin with
 * it, and losses that make numbers too small do not. */
#pragma once

#include "collectord/profile/profile.h"
#include "collectord/profile/snapshot.h"

/* All that is said once of a snapshot: types of values, times, the process, comments.  0 or -ENOMEM. */
int profile_describe_head(struct profile *p, const struct snapshot *s);
