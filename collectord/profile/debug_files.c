/* collectord/profile/debug_files.c - see debug_files.h.
 *
 * The places are those of elfutils' default path ":.debug:/usr/lib/debug" (libdwfl.h, find_debuginfo).  Who can
 * swap a file between this look and the open could as well have changed the binary: they only hold up themselves.
 */
#include "collectord/profile/debug_files.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool would_hold_up(const char *above, const char *dir, int dir_len, const char *below, const char *debuglink)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s%.*s%s/%s", above, dir_len, dir, below, debuglink);

	return n > 0 && n < (int)sizeof(path) && stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int debug_files_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, const char *file,
		     const char *debuglink, GElf_Word crc, char **ret_name)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	int len = slash ? (int)(slash - file) : 0;

	if (debuglink && slash &&
	    (would_hold_up("", file, len, "", debuglink) || would_hold_up("", file, len, "/.debug", debuglink) ||
	     would_hold_up("/usr/lib/debug", file, len, "", debuglink)))
		return -1;
	return dwfl_standard_find_debuginfo(module, userdata, name, base, file, debuglink, crc, ret_name);
}
