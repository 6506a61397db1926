/* collectord/profile/module_file.c - see module_file.h. */
#include "collectord/profile/module_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/vdso_file.h"

#define MAX_FILE ((off_t)16 << 30) /* the largest programs have some 5 GB of DWARF */

const char module_changed[] = "changed since the run";
const char module_gone[] = "no longer there";

/* Opening a FIFO or a device can have effects, on whoever waits at the other end or on a machine: what it is is
 * seen first.  The name is a foreign program's; the one that was looked at is the one that is opened. */
static int open_regular(const char *path)
{
	int there = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char same[32];
	struct stat st;

	if (there < 0)
		return -1;
	snprintf(same, sizeof(same), "/proc/self/fd/%d", there);
	errno = EINVAL;
	if (!fstat(there, &st) && S_ISREG(st.st_mode))
		fd = open(same, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	close(there);
	return fd;
}

/* Why a file cannot be the module's, or NULL. */
static const char *what_is_wrong(int fd, bool has_build_id, int64_t began)
{
	struct stat st;

	if (fstat(fd, &st))
		return "cannot be opened";
	if (st.st_size > MAX_FILE)
		return "too large";
	if (!has_build_id && (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec > began)
		return module_changed;
	return NULL;
}

int module_open(const struct profile_mapping *m, int64_t began, const char **ret_why)
{
	bool is_vdso = !strcmp(m->file, VDSO_NAME);
	int fd = is_vdso ? vdso_open() : open_regular(m->file);
	const char *why;

	if (fd < 0) {
		*ret_why = is_vdso || errno == ENOENT ? module_gone
			   : errno == EINVAL          ? "not a file"
						      : "cannot be opened";
		return -1;
	}
	why = what_is_wrong(fd, *m->build_id || is_vdso, began);
	if (!why)
		return fd;
	*ret_why = why;
	close(fd);
	return -1;
}

bool module_is(Dwfl_Module *module, const char *want)
{
	const unsigned char *id;
	GElf_Addr at;
	int n = dwfl_module_build_id(module, &id, &at);
	char hex[3];

	if (n <= 0)
		return !*want;
	if (strlen(want) != 2 * (size_t)n)
		return false;
	for (int i = 0; i < n; i++) {
		snprintf(hex, sizeof(hex), "%02x", id[i]);
		if (memcmp(want + (size_t)2 * (size_t)i, hex, 2))
			return false;
	}
	return true;
}
