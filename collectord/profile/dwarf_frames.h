/* collectord/profile/dwarf_frames.h - source lines and inlined calls of one module, by its DWARF.
 *
 * The functions of a unit are listed when the first address in it is asked for, and kept. */
#pragma once

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One source-level frame.  Strings live as long as the module; NULL = unknown. */
struct dwarf_frame {
	const char *function; /* linker name if there is one, else the plain name */
	const char *dir;      /* what a relative `file` is relative to */
	const char *file;
	int64_t line;
};

#define DWARF_MAX_INLINE 64 /* inlined calls deeper than this lose the outer ones but the function itself */

struct dwarf_frames;

/* `module`'s userdata is its struct debug_files.  A module without DWARF gives an object that finds nothing.  0 or
 * -ENOMEM. */
int dwarf_frames_new(Dwfl_Module *module, struct dwarf_frames **ret);
void dwarf_frames_free(struct dwarf_frames *d); /* takes NULL */

/* Did the module have DWARF? */
bool dwarf_frames_exist(const struct dwarf_frames *d);

/* Frames at `address`, innermost inlined first, the function that owns the code last; frames[DWARF_MAX_INLINE].
 * A positive count; 0 if the DWARF does not know the address; -ENOMEM. */
int dwarf_frames_at(struct dwarf_frames *d, uint64_t address, struct dwarf_frame *frames);
