/* collectord/profile/prune.h - frames below which nobody wants to look: drop_frames, -prune_from.
 *
 * Changes lines and stacks of a profile in place (the tables' entries, never what they point to). */
#pragma once

#include "collectord/profile/profile.h"
#include "collectord/profile/regex.h"

/* Apply the profile's own drop_frames and keep_frames, as pprof does once after reading.  An expression that cannot
 * be read is ignored, as pprof ignores it.  0 or -ENOMEM. */
int profile_drop_frames(struct profile *p);

/* Cut every stack at its first frame, from the leaf, whose function matches: that one is the new leaf. */
int profile_prune_from(struct profile *p, const struct regex *re);
