/* collectord/live/identify.c - see identify.h. */
#include "collectord/live/identify.h"

#include <errno.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "collectord/live/kin.h"
#include "collectord/live/listen.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; Debian 12's headers are older */
#endif

/* True if its process is, as far as we can see, of the user who connected: /proc of another user may be hidden. */
static bool is_of_its_user(const struct peer *p)
{
	uint32_t uid;

	return kin_user(p->pid, &uid) || uid == p->uid;
}

/* A socket we hold says who connected, as a pidfd since Linux 6.5; a pid says it only until it is used again.  If
 * the peer's end is still open after pidfd_open(), its process lived all the time and the pidfd is its own; unless
 * somebody else has that end, too, which no shim lets happen.  Who does it on purpose, to be taken for a process
 * that got the pid next, gets no further than to processes of the own user: its kin.  If it is not open, the peer
 * may still have left a word why it stays passive: a shim does not wait for an answer to that. */
static int pidfd_of_pid(struct peer *p, bool *ret_hung_up)
{
	struct pollfd hup = { .fd = p->sock };

	p->pidfd = pidfd_open((pid_t)p->pid, 0);
	if (p->pidfd < 0 && errno != ESRCH) /* ended and reaped: its word still counts */
		return -errno;
	*ret_hung_up = p->pidfd < 0 || !is_of_its_user(p) || kin_is_dead(p->pidfd) ||
		       (poll(&hup, 1, 0) == 1 && hup.revents & (POLLHUP | POLLERR));
	return 0;
}

int identify_process(struct peer *p, bool *ret_hung_up)
{
	socklen_t len = sizeof(int);
	int fd;

	*ret_hung_up = false;
	if (getsockopt(p->sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
		p->pidfd = fd;
	else if (errno == ENOPROTOOPT)
		return pidfd_of_pid(p, ret_hung_up);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return -errno;
	else
		*ret_hung_up = true; /* ended and reaped */
	return 0;
}

int identify_user(struct peer *p)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(p->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (cred.pid <= 0) /* from a pid namespace we cannot see into */
		return -ESRCH;
	p->pid = (uint32_t)cred.pid;
	p->uid = cred.uid;
	return 0;
}
