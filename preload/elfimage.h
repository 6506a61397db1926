/* preload/elfimage.h - what the unwinder needs to know of a loaded ELF object, from its program headers in memory.
 *
 * Pure reading of mapped memory; malformed headers give less knowledge, never a fault. */
#pragma once

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/modtab.h"
#include "preload/cfi.h"

/* An object as it was just found in memory. */
struct elf_object {
	const ElfW(Phdr) * phdrs;
	unsigned n;
	uintptr_t bias;
	uintptr_t start, end; /* known to be its mapping: what the headers say outside it is not believed */
};

/* Fill image and module (range, bias, build-id; not the epoch).  False if nothing is loaded. */
bool elf_image(const struct elf_object *o, struct cfi_image *ret_image, struct module_info *ret_module);

/* The program headers of the object whose mapping begins at `start`, if an ELF header stands there and the headers
 * lie in its first page.  Returns their number, 0 if not. */
unsigned elf_headers(uintptr_t start, const ElfW(Phdr) * *ret_phdrs);
