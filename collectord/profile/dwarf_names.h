/* collectord/profile/dwarf_names.h - what a function is called, from its DWARF entry.
 *
 * The linker's name where there is one.  Compilers leave it out for what cannot be seen outside its file (lambdas,
 * local classes, anonymous namespaces, templates over them); such a function gets its name with all scopes around
 * it, as c++filt would have printed it: "main::{lambda(int)#1}::operator()".  C functions keep their plain name. */
#pragma once

#include <elfutils/libdw.h>

struct dwarf_names;

struct dwarf_names *dwarf_names_new(void);    /* NULL = out of memory */
void dwarf_names_free(struct dwarf_names *n); /* takes NULL */

/* Name of a subprogram or an inlined call; it lives as long as `n` and the DWARF.  NULL in *ret if it has none.
 * 0 or -ENOMEM. */
int dwarf_names_function(struct dwarf_names *n, Dwarf_Die *die, const char **ret);
