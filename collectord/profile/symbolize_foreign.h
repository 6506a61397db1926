/* collectord/profile/symbolize_foreign.h - names for profiles that other tools wrote without any. */
#pragma once

#include "collectord/profile/symbolize.h"

/* Add names to the locations of mappings that say they have none, from the files the mappings name, as
 * profile_symbolize() does.  A build-id in the profile must be the file's; without one the path is believed if the
 * file is not younger than the profile.  What the profile says of its mappings stays.  0 or -ENOMEM. */
int profile_symbolize_foreign(struct profile *p, const struct symbolize_options *o, struct symbolize_stats *ret);
