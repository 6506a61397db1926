/* collectord/profile/describe.h - what a profile says about its snapshot beside the samples: comments.
 *
 * pprof prints comments in report headers, except those that begin with '#': so facts for the curious begin with
 * it, and losses that make numbers too small do not. */
#pragma once

#include "collectord/profile/profile.h"
#include "collectord/profile/snapshot.h"

/* Sets p->comments.  0 or -ENOMEM. */
int profile_describe_snapshot(struct profile *p, const struct snapshot *s);
