/* collectord/profile/debug_files.h - find a module's separate debug files without being held up or lied to.
 *
 * A binary names its debug file itself (.gnu_debuglink), that one its shared half (dwz, .gnu_debugaltlink) and each
 * unit of split DWARF a file of its own, so names may lead to FIFOs, devices and other people's files, and elfutils
 * opens what it finds.  Build-ids decide; .gnu_debuglink's checksum does where a file has none. */
#pragma once

#include <elfutils/libdwfl.h>
#include <stdbool.h>

#include "collectord/profile/debug_server.h"

/* One module's; its address is what libdwfl keeps for the module (userdata). */
struct debug_files {
	struct debug_server *server; /* asked last; may be NULL */
	bool asked_server;           /* once is enough */
	const char *found_link;      /* the name that the last file found went by */
	Dwarf *shared;               /* dwz's, if libdwfl did not find it */
	int shared_fd;
};

/* A Dwfl_Callbacks.find_debuginfo: elfutils' own, unless a candidate is there and not a regular file; then the
 * server. */
int debug_files_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, const char *file,
		     const char *debuglink, GElf_Word crc, char **ret_name);

/* The module's DWARF with all its files, or NULL: none, or its shared half is not there. */
Dwarf *debug_files_dwarf(Dwfl_Module *module, Dwarf_Addr *ret_bias);

/* After the module's dwfl_end(). */
void debug_files_done(struct debug_files *files);

/* May libdw open the file of split DWARF that this unit names?  True for units without. */
bool debug_files_split_is_fit(Dwfl_Module *module, Dwarf_Die *unit);
