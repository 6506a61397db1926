/* collectord/profile/shared_error.h - the error of a difference of two snapshots of one process.
 *
 * What was sampled before the first and is in use in both counts in both with the same weight: it cancels out, with
 * its error.  Adding the variances of both, as is right for different runs, would count that error twice. */
#pragma once

#include "collectord/profile/profile.h"

/* Of which process and moment a profile's numbers are; all 0: not known. */
struct profile_moment {
	uint64_t session, elapsed_ns;
	uint32_t pid, seq;
	int64_t began_ns; /* on the wall clock */
};

/* The moment of a snapshot; of one process if it is the same run of the same program. */
struct profile_moment profile_moment_of(const struct snapshot *s);
bool profile_same_run(const struct profile_moment *a, const struct profile_moment *b);

/* `old` and `new` are of one run, in this order, each merged by itself, with heaptap's four types.  Change the
 * variances of `old` so that adding them to those of `new`, stack by stack, gives the variance of new - old: exact
 * for what was allocated; for what is in use as much as the books can prove, never too small.  0 or -ENOMEM. */
int profile_share_errors(struct profile *old, const struct profile *new);
