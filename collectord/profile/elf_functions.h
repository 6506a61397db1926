/* collectord/profile/elf_functions.h - where the functions of a stripped file begin, by its unwind tables.
 *
 * Every function that can be walked through has an entry (FDE) in .eh_frame, also in files without symbols.  The
 * bytes are the file's: all lengths are checked, and a table that lies costs at most its functions. */
#pragma once

#include <gelf.h>
#include <stdint.h>

#include "collectord/profile/spans.h"

struct elf_functions {
	struct spans spans; /* addresses as in the file */
};

/* A file without the table, or of a kind not known, gives an object that finds nothing.  0 or -ENOMEM. */
int elf_functions_init(struct elf_functions *t, Elf *elf);
void elf_functions_done(struct elf_functions *t);

/* The function's first address, or 0. */
uint64_t elf_functions_start(const struct elf_functions *t, uint64_t address);
