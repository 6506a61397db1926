/* collectord/profile/elf_plt.h - which function an entry of the procedure linkage table (PLT) jumps to.
 *
 * x86-64: an entry is found by its jump through the global offset table and the relocation of that slot, as objdump
 * does it.  Files of other machines have none. */
#pragma once

#include <gelf.h>
#include <stdint.h>

#include "collectord/profile/spans.h"

struct elf_plt {
	const char **names; /* linker names; they live as long as the file */
	struct spans spans; /* addresses as in the file; items count names */
};

int elf_plt_init(struct elf_plt *t, Elf *elf); /* 0 or -ENOMEM */
void elf_plt_done(struct elf_plt *t);

/* The entry that covers `address`: its function's name and in *ret_start where it begins; NULL = none does. */
const char *elf_plt_find(const struct elf_plt *t, uint64_t address, uint64_t *ret_start);
