/* collectord/live/bind.h - make the listening socket at a path, once per path.
 *
 * A socket left behind by a collector that died is replaced; one that answers is not.  The directory is locked
 * while that is decided, so that two collectors starting at once cannot both replace it. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/fault.h"

/* Connections that nobody accepted yet.  Programs give up after 50 ms, which is time for a few hundred of them, and
 * a flood of one user fills the queue before anybody else: a longer one is only a longer wait.  Whom it has no room
 * for is not refused; the library asks again every millisecond. */
#define BIND_BACKLOG 512

/* Does a living process listen at this path?  In doubt, yes. */
bool bind_is_answered(const char *path);

/* A non-blocking unix socket of `type` (SOCK_SEQPACKET, SOCK_STREAM) listening at `path` with `mode`.  0 or -errno
 * with a fault. */
int bind_listen(const char *path, int type, unsigned mode, int *ret_fd, struct fault *f);
