/* collectord/live/bind.h - make the listening socket at a path, once per path.
 *
 * A socket left behind by a collector that died is replaced; one that answers is not.  The directory is locked
 * while that is decided, so that two collectors starting at once cannot both replace it. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/fault.h"

/* Does a living process listen at this path?  In doubt, yes. */
bool bind_is_answered(const char *path);

/* A non-blocking unix socket of `type` (SOCK_SEQPACKET, SOCK_STREAM) listening at `path` with `mode`.  0 or -errno
 * with a fault. */
int bind_listen(const char *path, int type, unsigned mode, int *ret_fd, struct fault *f);
