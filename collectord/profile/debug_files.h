/* collectord/profile/debug_files.h - find a module's separate debug file without being held up by it.
 *
 * A binary names its debug file itself (.gnu_debuglink), so the name may lead to a FIFO or a device, and elfutils
 * opens what it finds: reading would wait for ever.  Stateless; any thread. */
#pragma once

#include <elfutils/libdwfl.h>

/* A Dwfl_Callbacks.find_debuginfo: elfutils' own, unless a candidate is there and not a regular file. */
int debug_files_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, const char *file,
		     const char *debuglink, GElf_Word crc, char **ret_name);
