/* collectord/cli/source_live.h - a SOURCE that is a running program: its collector takes a snapshot for us. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/fault.h"

/* Could `source` be a pid or the name of a program, rather than a path? */
bool source_may_be_live(const char *source);

/* Path of a snapshot of the recorded program with that pid or name, malloc'ed.  It leads to memory that lasts as
 * long as this process: nothing is left on disk.  0, or -errno with a fault. */
int source_live(const char *source, char **ret_path, struct fault *f);

/* Is `path` one that source_live() gave? */
bool source_was_live(const char *path);
