/* collectord/profile/json.h - a profile as JSON, with all that heaptap knows of it.  Schema: README.md. */
#pragma once

#include <stdio.h>

#include "collectord/profile/profile.h"

#define JSON_VERSION 1 /* a new one only if a key changes its meaning or goes */

/* 0 or -ENOMEM; then `out` may hold a part of it: print into memory.  Output is valid UTF-8 whatever bytes names
 * hold: those that are none are written as the four characters \xNN. */
int profile_json(const struct profile *p, FILE *out);
