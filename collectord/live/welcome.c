/* collectord/live/welcome.c - what a program is answered; see listen.h. */
#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#include "collectord/live/listen.h"
#include "common/abi.h"

void listener_attach_fd(struct msghdr *m, void *space, size_t size, int fd)
{
	struct cmsghdr *c;

	m->msg_control = space;
	m->msg_controllen = size;
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int listener_welcome(const struct peer *peer, uint32_t verdict, uint64_t session, uint64_t region_size, int memfd)
{
	struct welcome w = {
		.magic = WELCOME_MAGIC,
		.abi_major = ABI_MAJOR,
		.abi_minor = ABI_MINOR,
		.verdict = verdict,
		.region_size = region_size,
		.session = session,
	};
	struct iovec iov = { .iov_base = &w, .iov_len = sizeof(w) };
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (memfd >= 0)
		listener_attach_fd(&m, control, sizeof(control), memfd);
	return sendmsg(peer->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(w) ? 0 : -errno;
}
