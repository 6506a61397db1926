/* collectord/profile/dwarf_spell.h - a function's name with its scopes, out of DWARF.
 *
 * Spelled as libiberty spells the mangled name, so that a function has one name whether a symbol or DWARF names it.
 */
#pragma once

#include <elfutils/libdw.h>
#include <stdio.h>

#include "collectord/profile/dwarf_scopes.h"

/* The linker's name, of the entry or what it is an instance of; NULL = none. */
const char *dwarf_linkage_name(Dwarf_Die *die);

/* Print the qualified name of a function to `out`.  0 or -ENOMEM. */
int dwarf_spell(struct dwarf_scopes *scopes, Dwarf_Die *declaration, FILE *out);
