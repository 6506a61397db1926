/* collectord/profile/pprof_maps.h - the memory map at the end of a text profile. */
#pragma once

#include "collectord/profile/profile.h"

/* Read the lines of [text, end), /proc/PID/maps or one of its older forms, as mappings of `p`, and find the mapping
 * of every location.  Lines that are none are passed over.  0 or -ENOMEM. */
int maps_read(struct profile *p, const char *text, const char *end);
