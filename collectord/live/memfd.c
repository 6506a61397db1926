/* collectord/live/memfd.c - see memfd.h. */
#include "collectord/live/memfd.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3; Debian 12's headers are older */
#endif

/* vm.memfd_noexec=2 refuses a memfd that could be executed; kernels before 6.3 refuse the flag. */
int memfd_new(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int memfd_fill(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		buf += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int memfd_with(const void *buf, size_t len, int *ret_fd)
{
	int fd = memfd_new("heaptap snapshot"), r = fd < 0 ? fd : memfd_fill(fd, buf, len);

	if (r && fd >= 0)
		close(fd);
	if (!r)
		*ret_fd = fd;
	return r;
}
