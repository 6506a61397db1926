/* preload/dial.c - see dial.h.
 *
 * The collector is believed when the kernel says that root or our own user listens there; its region only when it
 * is sealed against shrinking (or a read could kill us) and its header passes abi_header_ok(). */
#include "preload/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/time_types.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "preload/budget.h"
#include "preload/sys.h"

#define MAX_REGION (1ull << 40)
#define TRIES 8       /* collectors that end while we talk */
#define MAX_STRAYS 16 /* descriptors we are ready to receive and close; the kernel closes the rest */

static uint64_t now_ns(void)
{
	struct __kernel_timespec t = { 0 };

	sys_call3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&t, 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Wait for `events` on `fd` (or only for time to pass, if fd < 0).  0, or -ETIMEDOUT. */
static int await(int fd, short events, uint64_t deadline, uint64_t at_most_ns)
{
	for (;;) {
		uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;
		struct pollfd p = { .fd = fd, .events = events };
		struct __kernel_timespec t;
		long r;

		if (left == 0)
			return -ETIMEDOUT;
		if (left > at_most_ns)
			left = at_most_ns;
		t.tv_sec = (long)(left / 1000000000u);
		t.tv_nsec = (long)(left % 1000000000u);
		r = sys_call6(SYS_ppoll, (long)&p, 1, (long)&t, 0, 0, 0);
		if (r > 0 || fd < 0)
			return 0;
		if (r < 0 && r != -EINTR)
			return (int)r;
	}
}

/* A full backlog answers EAGAIN at once: try again until the deadline. */
static int connect_to(int fd, const char *path, uint64_t deadline)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	long r;

	for (size_t i = 0; path[i]; i++) {
		if (i + 1 >= sizeof(a.sun_path))
			return -ENAMETOOLONG;
		a.sun_path[i] = path[i];
	}
	for (;;) {
		r = sys_call3(SYS_connect, fd, (long)&a, sizeof(a));
		if (r != -EAGAIN && r != -EINTR)
			return (int)r;
		r = await(-1, 0, deadline, 1000000);
		if (r)
			return (int)r;
	}
}

static int check_peer(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);
	long r = sys_call6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&size, 0);

	if (r < 0)
		return (int)r;
	return peer.uid == 0 || (long)peer.uid == sys_call3(SYS_geteuid, 0, 0, 0) ? 0 : -EACCES;
}

static int say_hello(int fd, const struct hello *hello)
{
	long r = sys_call6(SYS_sendto, fd, (long)hello, sizeof(*hello), MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);

	if (r < 0)
		return (int)r;
	return r == sizeof(*hello) ? 0 : -EPROTO;
}

/* The one descriptor in `m`, moved to *ret; any other number of them is closed and refused. */
static int take_fd(struct msghdr *m, int *ret)
{
	int fds[MAX_STRAYS], n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const int *data = (const int *)(const void *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) && n < MAX_STRAYS; i++)
			fds[n++] = data[i];
	}
	if (n == 1 && !(m->msg_flags & (MSG_CTRUNC | MSG_TRUNC))) {
		*ret = fds[0];
		return 0;
	}
	while (n > 0)
		sys_close(fds[--n]);
	return -EPROTO;
}

static int hear_welcome(int fd, uint64_t deadline, struct welcome *ret_welcome, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MAX_STRAYS * sizeof(int))];
	} control;
	struct welcome w;
	struct iovec iov = { .iov_base = &w, .iov_len = sizeof(w) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	int region = -1, r = await(fd, POLLIN, deadline, UINT64_MAX);
	long n;

	if (r)
		return r;
	n = sys_call3(SYS_recvmsg, fd, (long)&m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ECONNRESET;
	r = take_fd(&m, &region);
	if (r)
		return r;
	if (n != sizeof(w) || w.magic != WELCOME_MAGIC || w.abi_major != ABI_MAJOR || w.verdict != WELCOME_OK) {
		sys_close(region);
		return -EPROTO;
	}
	*ret_welcome = w;
	*ret_fd = region;
	return 0;
}

static int map_region(int fd, uint64_t size, struct abi_region *ret)
{
	struct abi_header h;
	void *base;

	if (size < sizeof(h) || size > MAX_REGION)
		return -EPROTO;
	if (!(sys_call3(SYS_fcntl, fd, F_GET_SEALS, 0) & F_SEAL_SHRINK) ||
	    sys_call3(SYS_lseek, fd, 0, SEEK_END) < (long)size)
		return -EPROTO;
	if (size > budget_shared())
		return -ENOMEM;
	base = sys_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	if (!base)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(h);
	     i++) /* volatile, or the compiler calls memcpy(), which may be anybody's */
		((unsigned char *)&h)[i] = ((const volatile unsigned char *)base)[i];
	if (!abi_header_ok(&h, size)) {
		sys_munmap(base, size);
		return -EPROTO;
	}
	sys_madvise(base, size, MADV_DONTDUMP);
	abi_region_map(ret, base, &h);
	return 0;
}

static int converse(int fd, const char *path, uint64_t deadline, const struct hello *hello, struct abi_region *ret)
{
	struct welcome w = { 0 };
	int region = -1, r;

	r = connect_to(fd, path, deadline);
	if (!r)
		r = check_peer(fd);
	if (!r)
		r = say_hello(fd, hello);
	if (!r && hello->status != HELLO_ACTIVE)
		r = -ECANCELED;
	if (!r)
		r = hear_welcome(fd, deadline, &w, &region);
	if (r)
		return r;
	r = map_region(region, w.region_size, ret);
	sys_close(region);
	return r;
}

static int dial_once(const char *path, uint64_t deadline, const struct hello *hello, struct abi_region *ret)
{
	int r, fd = (int)sys_call3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	r = converse(fd, path, deadline, hello, ret);
	sys_close(fd);
	return r;
}

/* A service manager's socket outlives a collector that was killed while we talked to it: its successor listens. */
int dial(const char *path, uint32_t wait_ms, const struct hello *hello, struct abi_region *ret)
{
	uint64_t deadline = now_ns() + wait_ms * 1000000ull;
	int r = -ECONNRESET;

	for (int i = 0; i < TRIES && (r == -ECONNRESET || r == -EPIPE); i++)
		r = dial_once(path, deadline, hello, ret);
	return r;
}
