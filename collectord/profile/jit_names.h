/* collectord/profile/jit_names.h - names for code that no file holds: what a JIT compiler wrote to
 * /tmp/perf-PID.map.
 *
 * Asked of locations without mapping and without name, in profiles that know their process.  The map is believed if
 * it can only be that process's: a regular file (no link) of its user or root, changed since the run began, and not
 * after the process ended. */
#pragma once

#include "collectord/profile/profile.h"

/* Name of code that a JIT compiler made, when the map does not say which (perfmap.h: disputed). */
#define JIT_DISPUTED "[jit]"

/* Names what it can in `p` and counts it in *named.  0 or -ENOMEM; a missing or unfit map is not an error. */
int jit_names_add(struct profile *p, size_t *named);

/* The same with the map at `path`. */
int jit_names_add_from(struct profile *p, const char *path, size_t *named);
