/* collectord/live/memfd.c - see memfd.h. */
#include "collectord/live/memfd.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collectord/profile/write_all.h"

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

int memfd_with(const void *buf, size_t len, int *ret_fd)
{
	int fd = memfd_new("heaptap snapshot"), r = fd < 0 ? fd : write_all(fd, buf, len);

	if (r && fd >= 0)
		close(fd);
	if (!r)
		*ret_fd = fd;
	return r;
}
