/* collectord/profile/debug_files.c - see debug_files.h.
 *
 * The places are those of elfutils' default path ":.debug:/usr/lib/debug" (libdwfl.h, find_debuginfo).  Who can
 * swap a file between this look and the open could as well have changed the binary: they only hold up themselves.
 */
#include "collectord/profile/debug_files.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_unfit(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static bool would_hold_up(const char *above, const char *dir, int dir_len, const char *below, const char *debuglink)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%.*s%s/%s", above, dir_len, dir, below, debuglink);

	return n > 0 && n < (int)sizeof(path) && is_unfit(path);
}

static bool is_trap(const char *file, const char *debuglink)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	int len = slash ? (int)(slash - file) : 0;

	if (!debuglink)
		return false;
	if (debuglink[0] == '/')
		return is_unfit(debuglink);
	return slash &&
	       (would_hold_up("", file, len, "", debuglink) || would_hold_up("", file, len, "/.debug", debuglink) ||
		would_hold_up("/usr/lib/debug", file, len, "", debuglink));
}

static bool has_build_id(int fd, const void *want, size_t n)
{
	const void *id;
	Elf *elf;
	bool same;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	same = elf && n && dwelf_elf_gnu_build_id(elf, &id) == (ssize_t)n && !memcmp(id, want, n);
	elf_end(elf);
	return same;
}

/* A file of that build-id from the server, or -1. */
static int ask_server(const struct debug_files *files, const void *id, ssize_t n, char **ret_name)
{
	char *path;
	int fd = n > 0 ? debug_server_find(files->server, DEBUG_SERVER_SYMBOLS, id, (size_t)n, &path) : -1;

	if (fd < 0)
		return -1;
	if (!has_build_id(fd, id, (size_t)n)) {
		close(fd);
		free(path);
		return -1;
	}
	*ret_name = path;
	return fd;
}

int debug_files_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, const char *file,
		     const char *debuglink, GElf_Word crc, char **ret_name)
{
	struct debug_files *files = *userdata;
	const unsigned char *id = NULL;
	GElf_Addr at;
	int fd, n;

	files->found_link = NULL;
	if (is_trap(file, debuglink))
		return -1;
	fd = dwfl_standard_find_debuginfo(module, userdata, name, base, file, debuglink, crc, ret_name);
	if (fd < 0 && !files->asked_server) {
		files->asked_server = true;
		n = dwfl_module_build_id(module, &id, &at);
		fd = ask_server(files, id, n, ret_name);
	}
	if (fd >= 0)
		files->found_link = debuglink;
	return fd;
}

static bool add_shared(struct debug_files *files, Dwarf *dwarf, const void *id, ssize_t n)
{
	char *path;

	files->shared_fd = ask_server(files, id, n, &path);
	if (files->shared_fd < 0)
		return false;
	free(path);
	files->shared = dwarf_begin(files->shared_fd, DWARF_C_READ);
	if (!files->shared) {
		close(files->shared_fd);
		return false;
	}
	dwarf_setalt(dwarf, files->shared);
	return true;
}

/* libdw would open any file of the right name as the shared half, so without the right one nothing is asked of it.
 */
Dwarf *debug_files_dwarf(Dwfl_Module *module, Dwarf_Addr *ret_bias)
{
	Dwarf *dwarf = dwfl_module_getdwarf(module, ret_bias);
	struct debug_files *files;
	const char *link;
	const void *id;
	void **userdata;
	ssize_t n = dwarf ? dwelf_dwarf_gnu_debugaltlink(dwarf, &link, &id) : 0;

	if (n <= 0)
		return dwarf;
	dwfl_module_info(module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	files = *userdata;
	return files->found_link == link || files->shared || add_shared(files, dwarf, id, n) ? dwarf : NULL;
}

void debug_files_done(struct debug_files *files)
{
	if (!files->shared)
		return;
	dwarf_end(files->shared);
	close(files->shared_fd);
}

static const char *string_attribute(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;

	return dwarf_formstring(dwarf_attr(die, name, &a));
}

bool debug_files_split_is_fit(Dwfl_Module *module, Dwarf_Die *unit)
{
	const char *file = string_attribute(unit, DW_AT_dwo_name), *dir = string_attribute(unit, DW_AT_comp_dir);
	const char *binary = NULL, *debug = NULL, *slash;
	char below[PATH_MAX];
	int len;

	if (!file)
		file = string_attribute(unit, DW_AT_GNU_dwo_name);
	if (!file)
		return true;
	if (file[0] == '/')
		return !is_unfit(file);
	dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, &binary, &debug);
	debug = debug ? debug : binary;
	slash = debug ? strrchr(debug, '/') : NULL;
	len = slash ? (int)(slash - debug) : 0;
	debug = debug ? debug : "";
	snprintf(below, sizeof(below), "/%s", dir ? dir : "");
	return !would_hold_up("", debug, len, "", file) && !would_hold_up("", debug, len, below, file) &&
	       !(dir && would_hold_up("", dir, (int)strlen(dir), "", file));
}
