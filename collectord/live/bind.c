/* collectord/live/bind.c - see bind.h. */
#include "collectord/live/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *ret, struct fault *f)
{
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(ret->sun_path))
		return fault_set(f, -ENAMETOOLONG,
				 "socket path \"%s\" must have 1 to %zu characters: use a shorter one", path,
				 sizeof(ret->sun_path) - 1);
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, n);
	return 0;
}

static int lock_directory(const char *path, int *ret_fd, struct fault *f)
{
	char *copy = strdup(path);
	const char *dir;
	int fd, r = 0;

	if (!copy)
		return fault_set(f, -ENOMEM, "out of memory");
	dir = dirname(copy);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		r = fault_set(f, -errno,
			      "cannot open %s, the directory of the socket: %s; create it or choose another path",
			      dir, strerror(errno));
	else if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = fault_set(f, -errno, "%s: another collector is just starting there; try again", dir);
		close(fd);
	} else {
		*ret_fd = fd;
	}
	free(copy);
	return r;
}

/* True if somebody listens.  The kernel lets go of an io_uring user's sockets some time after its death, and till
 * then they accept; so a listener counts only as long as its process exists. */
static bool answers(int probe, const struct sockaddr_un *addr)
{
	struct ucred owner;
	socklen_t len = sizeof(owner);

	if (connect(probe, (const struct sockaddr *)addr, sizeof(*addr)))
		return errno != ECONNREFUSED;
	if (getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &owner, &len))
		return true;
	return kill(owner.pid, 0) == 0 || errno != ESRCH;
}

bool bind_is_answered(const char *path)
{
	struct sockaddr_un addr;
	bool ret = true;
	int probe;

	if (address_of(path, &addr, NULL))
		return true;
	probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return true;
	ret = answers(probe, &addr);
	close(probe);
	return ret;
}

/* If the path exists: remove it when it is a socket that nobody answers. */
static int remove_stale(const char *path, int type, const struct sockaddr_un *addr, struct fault *f)
{
	struct stat st;
	int probe, r = 0;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : fault_set(f, -errno, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fault_set(f, -EEXIST, "%s exists and is not a socket: remove it or choose another path",
				 path);
	probe = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return fault_set(f, -errno, "cannot make a socket: %s", strerror(errno));
	if (answers(probe, addr))
		r = fault_set(f, -EADDRINUSE, "another collector is running on %s: stop it or choose another path",
			      path);
	close(probe);
	if (!r && unlink(path))
		r = fault_set(f, -errno, "cannot remove the old socket %s: %s", path, strerror(errno));
	return r;
}

/* Between bind and listen nobody can connect: the mode is right before the first client. */
static int open_socket(const char *path, int type, const struct sockaddr_un *addr, unsigned mode, int *ret_fd,
		       struct fault *f)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return fault_set(f, -errno, "cannot make a socket: %s", strerror(errno));
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) || chmod(path, mode) ||
	    listen(fd, BIND_BACKLOG)) {
		r = fault_set(f, -errno, "cannot listen on %s: %s", path, strerror(errno));
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int bind_listen(const char *path, int type, unsigned mode, int *ret_fd, struct fault *f)
{
	struct sockaddr_un addr;
	int lock = -1, r;

	r = address_of(path, &addr, f);
	if (!r)
		r = lock_directory(path, &lock, f);
	if (!r)
		r = remove_stale(path, type, &addr, f);
	if (!r)
		r = open_socket(path, type, &addr, mode, ret_fd, f);
	if (lock >= 0)
		close(lock);
	return r;
}
