/* collectord/profile/dwarf_scopes.c - see dwarf_scopes.h.
 *
 * One walk over a unit lists its scopes with the number of their parent; an entry is then found by its address.
 * Depths and chains are bounded: files may be hostile. */
#include "collectord/profile/dwarf_scopes.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/dwarf_walk.h"

#define NO_SCOPE UINT32_MAX
#define MAX_CHAIN 16 /* steps from an instance to its declaration; compilers need 3 */

struct scope {
	Dwarf_Die die;
	uint32_t parent;
};

bool dwarf_holds_functions(int tag)
{
	switch (tag) {
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
		return true;
	default:
		return false;
	}
}

static int add_scope(struct dwarf_scopes *s, const Dwarf_Die *die, uint32_t parent)
{
	if (!table_reserve(&s->at, s->n, &s->cap, sizeof(*s->at)))
		return -ENOMEM;
	s->at[s->n++] = (struct scope){ *die, parent };
	return 0;
}

struct collector {
	struct dwarf_scopes *scopes;
	uint32_t around[DWARF_MAX_TREE + 1]; /* the open scopes, by depth */
};

static int visit_scope(void *ctx, const struct dwarf_walk_entry *e)
{
	struct collector *c = ctx;
	int r;

	if (!dwarf_holds_functions(e->tag))
		return DWARF_WALK_OVER;
	r = add_scope(c->scopes, &e->die, e->depth ? c->around[e->depth - 1] : NO_SCOPE);
	if (r)
		return r;
	c->around[e->depth] = c->scopes->n - 1;
	return e->depth < DWARF_MAX_TREE ? DWARF_WALK_INTO : DWARF_WALK_OVER;
}

static int load_unit(struct dwarf_scopes *s, Dwarf_Die *die)
{
	struct collector c = { .scopes = s };
	Dwarf_Die unit;
	int r;

	if (!dwarf_diecu(die, &unit, NULL, NULL) || s->unit == unit.addr)
		return 0;
	s->unit = NULL;
	s->n = 0;
	r = dwarf_walk(&unit, visit_scope, &c);
	if (!r)
		s->unit = unit.addr;
	return r;
}

static uint32_t find(const struct dwarf_scopes *s, const Dwarf_Die *die)
{
	uint32_t low = 0, high = s->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (s->at[mid].die.addr == die->addr)
			return mid;
		if ((const char *)s->at[mid].die.addr < (const char *)die->addr)
			low = mid + 1;
		else
			high = mid;
	}
	return NO_SCOPE;
}

static uint32_t parent_beyond_blocks(const struct dwarf_scopes *s, uint32_t i)
{
	do
		i = s->at[i].parent;
	while (i != NO_SCOPE && dwarf_tag(&s->at[i].die) == DW_TAG_lexical_block);
	return i;
}

void dwarf_declaration(Dwarf_Die *die, Dwarf_Die *ret)
{
	static const unsigned links[] = { DW_AT_abstract_origin, DW_AT_specification, DW_AT_signature };
	Dwarf_Die at = *die, next;
	Dwarf_Attribute a;
	unsigned steps = 0, link = 0;

	while (steps < MAX_CHAIN && link < sizeof(links) / sizeof(*links)) {
		if (!dwarf_attr(&at, links[link], &a) || !dwarf_formref_die(&a, &next)) {
			link++;
			continue;
		}
		at = next;
		link = 0;
		steps++;
	}
	*ret = at;
}

int dwarf_scope_of(struct dwarf_scopes *s, Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Die declaration;
	uint32_t i;
	int r;

	dwarf_declaration(die, &declaration);
	r = load_unit(s, &declaration);
	if (r)
		return r;
	i = find(s, &declaration);
	if (i != NO_SCOPE)
		i = parent_beyond_blocks(s, i);
	if (i == NO_SCOPE)
		return 0;
	*ret = s->at[i].die;
	return 1;
}

bool dwarf_closure_call(Dwarf_Die *die, Dwarf_Die *ret)
{
	static const char call[] = "operator()";
	int tag = dwarf_tag(die);

	if ((tag != DW_TAG_structure_type && tag != DW_TAG_class_type) || dwarf_hasattr(die, DW_AT_name) ||
	    dwarf_child(die, ret))
		return false;
	do {
		const char *name = dwarf_tag(ret) == DW_TAG_subprogram ? dwarf_diename(ret) : NULL;

		if (name && !strncmp(name, call, sizeof(call) - 1))
			return true;
	} while (!dwarf_siblingof(ret, ret));
	return false;
}

static bool begins_before(Dwarf_Die *a, Dwarf_Die *b)
{
	int line_a = 0, line_b = 0, column_a = 0, column_b = 0;

	dwarf_decl_line(a, &line_a);
	dwarf_decl_line(b, &line_b);
	dwarf_decl_column(a, &column_a);
	dwarf_decl_column(b, &column_b);
	return line_a != line_b ? line_a < line_b : column_a < column_b;
}

int dwarf_closures_before(struct dwarf_scopes *s, Dwarf_Die *die)
{
	uint32_t i, around;
	Dwarf_Die call;
	int r = load_unit(s, die), n = 0;

	if (r)
		return r;
	i = find(s, die);
	around = i == NO_SCOPE ? NO_SCOPE : parent_beyond_blocks(s, i);
	if (around == NO_SCOPE)
		return 0;
	for (i = around + 1; i < s->n && s->at[i].parent != NO_SCOPE && s->at[i].parent >= around; i++)
		n += parent_beyond_blocks(s, i) == around && begins_before(&s->at[i].die, die) &&
		     dwarf_closure_call(&s->at[i].die, &call);
	return n;
}

void dwarf_scopes_done(struct dwarf_scopes *s)
{
	free(s->at);
	*s = (struct dwarf_scopes){ 0 };
}
