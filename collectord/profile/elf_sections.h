/* collectord/profile/elf_sections.h - bytes of a section of a 64-bit little-endian ELF file, within its bounds. */
#pragma once

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_section {
	uint64_t address;
	const uint8_t *bytes;
	size_t size, entry_size;
};

/* The section of that name that has bytes in the file.  They live as long as `elf`. */
bool elf_section_named(Elf *elf, const char *name, struct elf_section *ret);

/* Do its compressed sections claim to be larger than such sections are?  Whoever reads them reserves what they
 * claim. */
bool elf_is_bomb(Elf *elf);

/* Is it a file whose sections this reads? */
bool elf_is_known(Elf *elf);
