/* collectord/live/viewer.h - who asks, and so what they may know.
 *
 * Identity is what the kernel says about a connected unix socket's peer, at its connect(): no name service is asked
 * on the loop.  A user sees the own processes, root and members of the administrators' group all; somebody else's
 * process does not exist. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct viewer {
	uint32_t uid;
	bool sees_all;
};

/* Of the peer of `sock`; admin_gid 0 = no group.  0 or -errno. */
int viewer_of(int sock, uint32_t admin_gid, struct viewer *ret);

/* May this viewer know of processes of user `uid`? */
bool viewer_may_see(const struct viewer *v, uint32_t uid);
