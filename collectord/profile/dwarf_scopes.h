/* collectord/profile/dwarf_scopes.h - what is around a DWARF entry: libdw does not say who the parent is.
 *
 * Keeps the tree of the unit last asked about: namespaces, types, functions and blocks. */
#pragma once

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

struct scope;

struct dwarf_scopes {
	const void *unit; /* its entry's address; NULL = none */
	struct scope *at; /* as they stand in the file, so sorted by address and whole subtrees together */
	uint32_t n;
	size_t cap;
};

#define DWARF_MAX_TREE 128 /* nesting of namespaces, classes and blocks that is followed */

/* Can functions with code be below such an entry? */
bool dwarf_holds_functions(int tag);

/* The entry that declares what `die` defines or is an instance of: it stands where the name belongs. */
void dwarf_declaration(Dwarf_Die *die, Dwarf_Die *ret);

/* The namespace, type or function around the declaration of `die`, blocks aside.  1, 0 = none, or -ENOMEM. */
int dwarf_scope_of(struct dwarf_scopes *s, Dwarf_Die *die, Dwarf_Die *ret);

/* Closures (classes of lambdas) in the same scope as `die` that begin before it in the source, or -ENOMEM. */
int dwarf_closures_before(struct dwarf_scopes *s, Dwarf_Die *die);

/* The call operator of a class without a name: what makes it a closure. */
bool dwarf_closure_call(Dwarf_Die *die, Dwarf_Die *ret);

void dwarf_scopes_done(struct dwarf_scopes *s);
