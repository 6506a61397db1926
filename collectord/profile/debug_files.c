/* collectord/profile/debug_files.c - see debug_files.h.
 *
 * The places are those of elfutils' default path ":.debug:/usr/lib/debug" (libdwfl.h, find_debuginfo).  Who can
 * swap a file between this look and the open could as well have changed the binary: they only hold up themselves.
 */
#include "collectord/profile/debug_files.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/elf_sections.h"
#include "collectord/profile/plain_file.h"

static bool would_hold_up(const char *above, const char *dir, int dir_len, const char *below, const char *debuglink)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%.*s%s/%s", above, dir_len, dir, below, debuglink);

	return n > 0 && n < (int)sizeof(path) && plain_file_is_trap(path);
}

static bool is_trap(const char *file, const char *debuglink)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	int len = slash ? (int)(slash - file) : 0;

	if (!debuglink)
		return false;
	if (debuglink[0] == '/')
		return plain_file_is_trap(debuglink);
	return slash &&
	       (would_hold_up("", file, len, "", debuglink) || would_hold_up("", file, len, "/.debug", debuglink) ||
		would_hold_up("/usr/lib/debug", file, len, "", debuglink));
}

/* Is it an ELF file, harmless, and (if n) of that build-id? */
static bool is_fit(int fd, const void *want, size_t n)
{
	const void *id;
	Elf *elf;
	bool fit;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	fit = elf && !elf_is_bomb(elf);
	if (fit && n)
		fit = dwelf_elf_gnu_build_id(elf, &id) == (ssize_t)n && !memcmp(id, want, n);
	elf_end(elf);
	return fit;
}

/* A file of that build-id from the server, or -1. */
static int ask_server(const struct debug_files *files, const void *id, ssize_t n, char **ret_name)
{
	char *path;
	int fd = n > 0 ? debug_server_find(files->server, DEBUG_SERVER_SYMBOLS, id, (size_t)n, &path) : -1;

	if (fd < 0)
		return -1;
	if (!is_fit(fd, id, (size_t)n)) {
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
	if (fd >= 0 && !is_fit(fd, NULL, 0)) {
		close(fd);
		return -1;
	}
	if (fd >= 0)
		files->found_link = debuglink;
	return fd;
}

/* Path and length of the folder of the file that the module's DWARF is in. */
static const char *dwarf_folder(Dwfl_Module *module, int *ret_len)
{
	const char *binary = NULL, *debug = NULL, *slash;

	dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, &binary, &debug);
	debug = debug ? debug : binary ? binary : "";
	slash = strrchr(debug, '/');
	*ret_len = slash ? (int)(slash - debug) : 0;
	return debug;
}

/* The shared half where the debug file says it is, if that is the one. */
static int open_shared(Dwfl_Module *module, const char *link, const void *id, ssize_t n)
{
	char path[PATH_MAX];
	int len, fd;
	const char *folder = dwarf_folder(module, &len);

	if (link[0] == '/')
		snprintf(path, sizeof(path), "%s", link);
	else
		snprintf(path, sizeof(path), "%.*s/%s", len, folder, link);
	fd = plain_file_open(path);
	if (fd < 0 || (n > 0 && is_fit(fd, id, (size_t)n)))
		return fd;
	close(fd);
	return -1;
}

static bool add_shared(Dwfl_Module *module, struct debug_files *files, Dwarf *dwarf, const char *link,
		       const void *id, ssize_t n)
{
	char *path = NULL;

	files->shared_fd = open_shared(module, link, id, n);
	if (files->shared_fd < 0)
		files->shared_fd = ask_server(files, id, n, &path);
	free(path);
	if (files->shared_fd < 0)
		return false;
	files->shared = dwarf_begin(files->shared_fd, DWARF_C_READ);
	if (!files->shared) {
		close(files->shared_fd);
		return false;
	}
	dwarf_setalt(dwarf, files->shared);
	return true;
}

/* libdwfl looks for the shared half in few places; libdw then opens any file of the right name.  So what libdwfl
 * did not find is looked for here, and without the right one nothing is asked of the DWARF. */
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
	if (files->found_link == link || files->shared)
		return dwarf;
	return add_shared(module, files, dwarf, link, id, n) ? dwarf : NULL;
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
	char below[PATH_MAX];
	const char *folder;
	int len;

	if (!file)
		file = string_attribute(unit, DW_AT_GNU_dwo_name);
	if (!file)
		return true;
	if (file[0] == '/')
		return !plain_file_is_trap(file);
	folder = dwarf_folder(module, &len);
	snprintf(below, sizeof(below), "/%s", dir ? dir : "");
	return !would_hold_up("", folder, len, "", file) && !would_hold_up("", folder, len, below, file) &&
	       !(dir && would_hold_up("", dir, (int)strlen(dir), "", file));
}
