/* collectord/profile/encode_maps.h - the mappings of a profile in the form of /proc/PID/maps. */
#pragma once

#include <stdio.h>

#include "collectord/profile/profile.h"

/* The main program and what samples lie in, executable parts only.  0 or -ENOMEM. */
int encode_maps(const struct profile *p, FILE *out);
