/* collectord/profile/symbolize.h - names for addresses: ELF symbols, DWARF lines and inlines, demangled.
 *
 * Works on profiles from snapshots (mappings carry bias and build-id).  A file is believed only if its build-id is
 * the one the running program had; otherwise the frames keep their addresses and the mapping's name says why:
 * "/usr/bin/x (replaced)", "(not found)".  Separate debug files are found by build-id under /usr/lib/debug and
 * where the file says.  A function without a name is called by its file and where it begins there, "x+0x12f0".
 * Without options nothing is written and nobody is asked.  Slow: never call it on the collector's loop. */
#pragma once

#include "collectord/profile/profile.h"

struct symbolize_options {
	const char *debug_path;      /* elfutils syntax; NULL = its default directories */
	const char *cache;           /* folder of answers (symbol_cache.h); NULL = none */
	unsigned debuginfod_seconds; /* ask the servers of DEBUGINFOD_URLS, so long at most; 0 = do not */
	bool is_foreign;             /* mappings that have names are left alone, and none is marked */
	void (*progress)(size_t done, size_t all, void *arg); /* NULL = silent */
	void *arg;
};

/* What was found, for messages. */
struct symbolize_stats {
	size_t addresses, named, with_lines;
	size_t modules, modules_missing, modules_mismatched;
	int server_error; /* why debuginfod was not asked or not any more (debug_server.h), -ETIMEDOUT: too slow; or
			     0 */
	const char *unnamed, *why_unnamed; /* the first of them, as long as the profile lives; NULL = none */
};

/* Does the profile say that it has names for this mapping? */
bool mapping_is_named(const struct profile_mapping *m);

/* Adds functions and lines to every location it can name.  0 or -ENOMEM; an unreadable file is not an error.
 * Frames without a name stay without lines: reports show the address. */
int profile_symbolize(struct profile *p, const struct symbolize_options *o, struct symbolize_stats *ret);
