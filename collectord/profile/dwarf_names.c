/* collectord/profile/dwarf_names.c - see dwarf_names.h.
 *
 * A name is made at the first question and kept: many calls of one function are inlined all over a program. */
#include "collectord/profile/dwarf_names.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/dwarf_scopes.h"
#include "collectord/profile/dwarf_spell.h"

struct known {
	const void *die; /* address of the declaration */
	const char *name;
};

struct dwarf_names {
	struct dwarf_scopes scopes;
	struct arena arena;
	struct known *known;
	uint32_t n_known;
	size_t cap_known;
	struct index by_die;
};

struct dwarf_names *dwarf_names_new(void)
{
	return calloc(1, sizeof(struct dwarf_names));
}

void dwarf_names_free(struct dwarf_names *n)
{
	if (!n)
		return;
	dwarf_scopes_done(&n->scopes);
	arena_done(&n->arena);
	index_done(&n->by_die);
	free(n->known);
	free(n);
}

static bool is_c(Dwarf_Die *die)
{
	Dwarf_Die unit;

	if (!dwarf_diecu(die, &unit, NULL, NULL))
		return true;
	switch (dwarf_srclang(&unit)) {
	case DW_LANG_C89:
	case DW_LANG_C:
	case DW_LANG_C99:
	case DW_LANG_C11:
		return true;
	default:
		return false;
	}
}

static bool same_die(const void *ctx, uint32_t entry)
{
	const struct dwarf_names *n = ctx;

	return n->known[entry].die == n->known[n->n_known].die;
}

static int make_name(struct dwarf_names *n, Dwarf_Die *declaration, const char **ret)
{
	char *text = NULL, *copy;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int r;

	if (!out)
		return -ENOMEM;
	r = dwarf_spell(&n->scopes, declaration, out);
	if (fclose(out) && !r)
		r = -ENOMEM;
	copy = r ? NULL : arena_alloc(&n->arena, len + 1);
	if (copy)
		memcpy(copy, text, len);
	free(text);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* The name of a declaration, made at the first question: entry n_known is the question, then the answer. */
static int qualified_name(struct dwarf_names *n, Dwarf_Die *declaration, const char **ret)
{
	uint64_t hash = hash_word(1, (uintptr_t)declaration->addr);
	uint32_t at;
	int r;

	if (!table_reserve(&n->known, n->n_known, &n->cap_known, sizeof(*n->known)))
		return -ENOMEM;
	n->known[n->n_known].die = declaration->addr;
	at = index_find(&n->by_die, hash, same_die, n);
	if (at == ARENA_NONE) {
		r = make_name(n, declaration, &n->known[n->n_known].name);
		if (r)
			return r;
		if (!index_add(&n->by_die, hash, n->n_known))
			return -ENOMEM;
		at = n->n_known++;
	}
	*ret = n->known[at].name;
	return 0;
}

int dwarf_names_function(struct dwarf_names *n, Dwarf_Die *die, const char **ret)
{
	Dwarf_Die declaration;

	*ret = dwarf_linkage_name(die);
	if (*ret)
		return 0;
	*ret = dwarf_diename(die);
	dwarf_declaration(die, &declaration);
	if (!*ret || is_c(&declaration))
		return 0;
	return qualified_name(n, &declaration, ret);
}
