/* collectord/profile/module_file.c - see module_file.h. */
#include "collectord/profile/module_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/plain_file.h"
#include "collectord/profile/vdso_file.h"

#define MAX_FILE ((off_t)16 << 30) /* the largest programs have some 5 GB of DWARF */

const char module_changed[] = "changed since the run";
const char module_gone[] = "no longer there";

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
	int fd = is_vdso ? vdso_open() : plain_file_open(m->file);
	const char *why;

	if (fd < 0) {
		*ret_why = is_vdso || errno == ENOENT           ? module_gone
			   : errno == EINVAL || errno == EISDIR ? "not a file"
			   : errno == ENODATA                   ? "empty"
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
