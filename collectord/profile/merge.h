/* collectord/profile/merge.h - several profiles to one, comparisons, and what pprof does to names after reading. */
#pragma once

#include "collectord/profile/profile.h"

/* One profile of `n`, by pprof's rules: equal functions, mappings, locations and samples become one, in order of
 * first use; what is zero or unused goes.  The inputs' values may be converted to the finest of their units.  0,
 * -ENOMEM, or -EINVAL with a fault when they measure different things. */
int profile_merge(struct profile *const *from, size_t n, struct profile **ret, struct fault *f);

/* Bring values and periods of `n` profiles to the finest of their units.  For merge.c. */
int profile_same_units(struct profile *const *from, size_t n, struct fault *f);

/* What is said once per profile, of the merged one.  For merge.c. */
int profile_merge_heads(struct profile *p, struct profile *const *from, size_t n);

/* Multiply values by a factor per sample type, rounded; samples that became zero go. */
void profile_scale(struct profile *p, const double *factors);

/* Make each sample type's sum that of `base`.  -EINVAL with a fault if they measure different things. */
int profile_normalize(struct profile *p, const struct profile *base, struct fault *f);

/* Give all samples a label, instead of one with that key.  0 or -ENOMEM. */
int profile_label_all(struct profile *p, const char *key, const char *value);

/* The same with a number. */
int profile_label_all_number(struct profile *p, const char *key, int64_t value);

/* Mark all samples as the base of a comparison.  0 or -ENOMEM. */
int profile_label_base(struct profile *p);

/* Once after merging: linker names that were left to the reader (if `demangle`), and drop_frames.  0 or -ENOMEM. */
int profile_finish_names(struct profile *p, bool demangle);
