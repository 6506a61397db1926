/* collectord/profile/module_symbols.h - one module's files, opened, and what they say of its addresses.
 *
 * Believed is the file whose build-id is the one that ran, or, of modules without one, a file not younger than the
 * run.  One thread; slow. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectord/profile/debug_server.h"
#include "collectord/profile/dwarf_frames.h"
#include "collectord/profile/profile.h"

struct module_symbols;

/* Frames at an address, innermost inlined first, and where the function that owns it begins (in the module's own
 * terms; 0 = unknown).  Known may be only the latter: a stripped file's function has a beginning and no name. */
struct module_answer {
	int n;
	uint64_t entry;
	struct dwarf_frame frames[DWARF_MAX_INLINE];
};

/* What to open. */
struct module_source {
	const struct profile_mapping *mapping;
	int64_t began;               /* the run, Unix time in ns */
	const char *debug_path;      /* elfutils syntax; NULL = its default */
	struct debug_server *server; /* asked last; NULL = nobody is */
};

/* 1 and *ret; 0 and *ret_why: there is no such file, or another; or -ENOMEM. */
int module_symbols_open(const struct module_source *from, struct module_symbols **ret, const char **ret_why);
void module_symbols_close(struct module_symbols *m); /* takes NULL */

/* Are there lines and inlined calls, or symbols at most? */
bool module_symbols_has_lines(const struct module_symbols *m);

/* `address` as the program had it.  0 or -ENOMEM. */
int module_symbols_at(struct module_symbols *m, uint64_t address, struct module_answer *ret);
