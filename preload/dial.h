/* preload/dial.h - the client's side of the handshake in common/handshake.h.
 *
 * Called once, from the constructor.  Raw system calls, no descriptor survives it, no wait beyond the deadline. */
#pragma once

#include <stdint.h>

#include "common/abi.h"
#include "common/handshake.h"

/* Say hello at the socket `path` and map the region that comes back; at most `wait_ms` in all.  If hello.status is
 * not HELLO_ACTIVE nobody waits for an answer, and -ECANCELED is returned.
 * Returns 0, or -errno: no collector, too slow, not to be trusted, of another version, or no memory. */
int dial(const char *path, uint32_t wait_ms, const struct hello *hello, struct abi_region *ret);
