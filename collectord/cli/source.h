/* collectord/cli/source.h - from what a user calls SOURCE to a profile with names.
 *
 * SOURCE is a snapshot, a directory of snapshots (the newest is meant), or a directory above exactly one such. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/profile.h"

/* Path of the snapshot that `source` means, malloc'ed.  0, or -errno with a fault. */
int source_resolve(const char *source, char **ret_path, struct fault *f);

/* Read the snapshot file `path`, convert and symbolize it; in-use values are those of the peak if `peak`.
 * A progress line appears on a terminal when naming takes long. */
int source_load(const char *path, bool peak, struct profile **ret, struct fault *f);

/* The one operand of a command that takes one SOURCE, resolved and loaded.  An exit status: EXIT_OK, or another
 * after saying why. */
int source_open_operand(const char *command, int n, char **operands, bool peak, struct profile **ret);
