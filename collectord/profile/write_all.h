/* collectord/profile/write_all.h - write() until everything is written.
 *
 * For files, memfds and pipes that block; a signal does not end it.  The descriptor stays with the caller. */
#pragma once

#include <stddef.h>

/* From the descriptor's position on.  0 or -errno; some of it may be written then. */
int write_all(int fd, const void *buf, size_t len);
