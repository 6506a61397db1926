/* collectord/live/viewer.c - see viewer.h. */
#include "collectord/live/viewer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define MAX_GROUPS 65536u /* the kernel's NGROUPS_MAX */

static bool is_member(int sock, uint32_t gid)
{
	gid_t *groups = malloc(MAX_GROUPS * sizeof(*groups));
	socklen_t len = MAX_GROUPS * sizeof(*groups);
	bool found = false;

	if (groups && getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(*groups) && !found; i++)
			found = groups[i] == gid;
	free(groups);
	return found;
}

int viewer_of(int sock, uint32_t admin_gid, struct viewer *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	ret->uid = cred.uid;
	ret->sees_all = cred.uid == 0;
	if (admin_gid && !ret->sees_all)
		ret->sees_all = cred.gid == admin_gid || is_member(sock, admin_gid);
	return 0;
}

bool viewer_may_see(const struct viewer *v, uint32_t uid)
{
	return v->sees_all || v->uid == uid;
}
