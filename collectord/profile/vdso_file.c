/* collectord/profile/vdso_file.c - see vdso_file.h.
 *
 * Whether it is the traced program's as well, its build-id says: snapshots are read on other machines. */
#include "collectord/profile/vdso_file.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3, where vm.memfd_noexec may ask for it; Debian 12's headers are older */
#endif

/* The section headers are the last thing in it. */
static size_t image_size(const void *image)
{
	Elf64_Ehdr h;

	memcpy(&h, image, sizeof(h));
	return h.e_shoff + (size_t)h.e_shnum * h.e_shentsize;
}

int vdso_open(void)
{
	const void *image = (const void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	size_t size = image ? image_size(image) : 0;
	int fd = size ? memfd_create("vdso", MFD_CLOEXEC | MFD_NOEXEC_SEAL) : -1;

	if (fd < 0 && size && errno == EINVAL)
		fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	if (write(fd, image, size) == (ssize_t)size)
		return fd;
	close(fd);
	return -1;
}
