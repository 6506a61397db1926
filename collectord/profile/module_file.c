/* collectord/profile/module_file.c - see module_file.h. */
#include "collectord/profile/module_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char module_changed[] = "changed since the run";

int module_open(const struct profile_mapping *m, int64_t began, const char **ret_why)
{
	struct stat st;
	int fd = open(m->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		*ret_why = errno == ENOENT ? "no longer there" : "cannot be opened";
		return -1;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		*ret_why = "not a file";
	} else if (!*m->build_id && (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec > began) {
		*ret_why = module_changed;
	} else {
		return fd;
	}
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
