/* collectord/profile/elf_symbols.h - which function does an address lie in, by the symbol tables of one module. */
#pragma once

#include <elfutils/libdwfl.h>
#include <stdint.h>

#include "collectord/profile/spans.h"

struct elf_symbols {
	const char **names; /* mangled; they live as long as the module */
	struct spans spans; /* one per start, its item in names */
};

/* Reads .symtab (also of the separate debug file), .dynsym and .gnu_debugdata, whatever there is.  0 or -ENOMEM. */
int elf_symbols_init(struct elf_symbols *t, Dwfl_Module *module);
void elf_symbols_done(struct elf_symbols *t);

/* Name of the function that covers `address`, or NULL: the nearest one before it is not an answer. */
const char *elf_symbols_find(const struct elf_symbols *t, uint64_t address);

/* Where that function begins, or 0. */
uint64_t elf_symbols_start(const struct elf_symbols *t, uint64_t address);
