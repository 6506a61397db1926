/* collectord/profile/convert.h - from a snapshot's raw stacks to the profile model, not yet symbolized.
 *
 * Fixed point becomes integers here, once: rounded to nearest.  In-use is alloc - free (a transient negative, when
 * a free was drained before its alloc, shows as 0).  period = T ("space", "bytes"); comments carry the audit. */
#pragma once

#include "collectord/profile/profile.h"
#include "collectord/profile/snapshot.h"

/* Function name of the one location of a stack without frames (stack id 0: stack table full, or no walk possible).
 */
#define CONVERT_NO_STACK "[no stack]"

/* Labels of samples whose stacks were recorded by thread: the thread's name, or "thread TID"; its number. */
#define CONVERT_THREAD_LABEL "thread"
#define CONVERT_TID_LABEL "tid"

enum convert_values {
	CONVERT_NOW,  /* in-use as of the snapshot */
	CONVERT_PEAK, /* in-use columns hold the peak's values and variances */
};

/* 0, -ENOMEM or -EINVAL.  On success *ret is the caller's. */
int profile_from_snapshot(const struct snapshot *s, enum convert_values which, struct profile **ret,
			  struct fault *f);
