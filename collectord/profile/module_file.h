/* collectord/profile/module_file.h - is this file the one that ran? */
#pragma once

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

#include "collectord/profile/profile.h"

/* Why there are no names: the file that is there is another one; there is none. */
extern const char module_changed[], module_gone[];

/* Open the file if it can be the module's (of the vdso a copy): regular, not of absurd size, and not younger than
 * `began` (Unix time in ns) if there is no build-id to tell.  A descriptor, or -1 and the reason for a person. */
int module_open(const struct profile_mapping *m, int64_t began, const char **ret_why);

/* Does the build-id, in hexadecimal, agree?  None on both sides does. */
bool module_is(Dwfl_Module *module, const char *build_id);
