/* collectord/profile/dwarf_walk.h - one pass over the entries of a unit, by their bytes.
 *
 * libdw steps from entry to entry by decoding each with a lock taken and given back; a profile of 5 000 addresses
 * spent nine tenths of its time there.  This reads the unit's abbreviations once (by libdw) and then knows how far
 * the next entry is.  The bytes are untrusted: a unit that leads outside itself ends there. */
#pragma once

#include <elfutils/libdw.h>
#include <stdbool.h>

struct dwarf_walk_entry {
	Dwarf_Die die;
	int tag;
	bool has_code;  /* states addresses of its own */
	unsigned depth; /* 0: a child of the unit */
};

enum dwarf_walk_next { DWARF_WALK_OVER, DWARF_WALK_INTO };

/* What to do with the entries below this one, or -errno, which ends the walk. */
typedef int (*dwarf_walk_visit)(void *ctx, const struct dwarf_walk_entry *e);

/* Visit the entries below `unit`, parents first, in the order of the file.  0, -ENOMEM, or what `visit` returned.
 */
int dwarf_walk(const Dwarf_Die *unit, dwarf_walk_visit visit, void *ctx);
