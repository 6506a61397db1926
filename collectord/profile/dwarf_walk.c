/* collectord/profile/dwarf_walk.c - see dwarf_walk.h. */
#include "collectord/profile/dwarf_walk.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "collectord/profile/dwarf_abbrevs.h"

struct walk {
	struct dwarf_abbrevs abbrevs;
	const Dwarf_Die *unit;
	const uint8_t *begin, *at, *end; /* of the unit: its header, the next entry, the byte after */
	unsigned depth;                  /* levels below the unit that are open */
	unsigned over;                   /* levels above this one are passed over; 0 = none is */
};

/* Where the unit lies in memory.  Units of .debug_types are counted apart. */
static bool find_bounds(struct walk *w)
{
	Dwarf_Die die = *w->unit;
	Dwarf *dwarf = dwarf_cu_getdwarf(die.cu);
	Dwarf_Off offset = dwarf_dieoffset(&die), header = offset - dwarf_cuoffset(&die), next;
	Dwarf_Half version = 0;
	uint64_t signature;
	uint8_t type = 0;
	size_t size;

	if (dwarf_cu_info(die.cu, &version, &type, NULL, NULL, NULL, NULL, NULL))
		return false;
	if (dwarf_next_unit(dwarf, header, &next, &size, NULL, NULL, NULL, NULL,
			    type == DW_UT_type && version < 5 ? &signature : NULL, NULL) ||
	    next <= offset || offset < header)
		return false;
	w->begin = (const uint8_t *)die.addr - (offset - header);
	w->end = (const uint8_t *)die.addr + (next - offset);
	return true;
}

static const uint8_t *after_forms(const struct walk *w, const struct dwarf_abbrev *a, uint32_t n, const uint8_t *p)
{
	for (uint32_t i = 0; i < n && p; i++)
		p = dwarf_skip_form(&w->abbrevs, w->abbrevs.forms[a->first_form + i], p, w->end);
	return p;
}

static const uint8_t *after_attributes(const struct walk *w, const struct dwarf_abbrev *a, const uint8_t *p)
{
	if (a->fixed < 0)
		return after_forms(w, a, a->n_forms, p);
	return a->fixed <= w->end - p ? p + a->fixed : NULL;
}

/* The entry after this one and all below it, if it says so; NULL if not. */
static const uint8_t *sibling_of(const struct walk *w, const struct dwarf_abbrev *a, const uint8_t *p)
{
	uint32_t offset = 0;

	if (a->sibling >= a->n_forms || w->abbrevs.forms[a->first_form + a->sibling] != DW_FORM_ref4)
		return NULL;
	p = after_forms(w, a, a->sibling, p);
	if (!p || w->end - p < (ptrdiff_t)sizeof(offset))
		return NULL;
	memcpy(&offset, p, sizeof(offset));
	return offset <= (uint64_t)(w->end - w->begin) ? w->begin + offset : NULL;
}

static void close_level(struct walk *w)
{
	w->depth--;
	if (w->depth <= w->over)
		w->over = 0;
}

/* Visit the entry at `start`, whose attributes begin at w->at.  1 = go on, 0 = the bytes make no sense. */
static int one_entry(struct walk *w, const struct dwarf_abbrev *a, const uint8_t *start, dwarf_walk_visit visit,
		     void *ctx)
{
	const uint8_t *attributes = w->at, *sibling;
	struct dwarf_walk_entry e = { .die = { .addr = (void *)start, .cu = w->unit->cu },
				      .tag = a->tag,
				      .has_code = a->has_code,
				      .depth = w->depth - 1 };
	int r = w->over ? DWARF_WALK_OVER : visit(ctx, &e);

	if (r < 0)
		return r;
	w->at = after_attributes(w, a, attributes);
	if (!w->at || !a->has_children)
		return w->at != NULL;
	if (r == DWARF_WALK_OVER) {
		sibling = sibling_of(w, a, attributes);
		if (sibling && sibling >= w->at) {
			w->at = sibling;
			return 1;
		}
		if (!w->over)
			w->over = w->depth;
	}
	w->depth++;
	return 1;
}

static const struct dwarf_abbrev *next_abbrev(struct walk *w, bool *ret_ends_level)
{
	uint64_t code;

	*ret_ends_level = false;
	if (!dwarf_read_uleb(&w->at, w->end, &code))
		return NULL;
	*ret_ends_level = !code;
	return code < w->abbrevs.n && w->abbrevs.at[code].exists ? &w->abbrevs.at[code] : NULL;
}

static int walk_entries(struct walk *w, dwarf_walk_visit visit, void *ctx)
{
	bool ends_level;
	const struct dwarf_abbrev *a = next_abbrev(w, &ends_level);
	int r = 1;

	w->at = a ? after_attributes(w, a, w->at) : NULL;
	if (!w->at || !a->has_children)
		return 0;
	for (w->depth = 1; w->depth && w->at < w->end && r > 0;) {
		const uint8_t *start = w->at;

		a = next_abbrev(w, &ends_level);
		if (ends_level)
			close_level(w);
		else
			r = a ? one_entry(w, a, start, visit, ctx) : 0;
	}
	return r < 0 ? r : 0;
}

int dwarf_walk(const Dwarf_Die *unit, dwarf_walk_visit visit, void *ctx)
{
	struct walk w = { .unit = unit, .at = unit->addr };
	int r;

	if (!find_bounds(&w))
		return 0;
	r = dwarf_abbrevs_read(&w.abbrevs, unit);
	if (!r)
		r = walk_entries(&w, visit, ctx);
	dwarf_abbrevs_done(&w.abbrevs);
	return r < 0 ? r : 0;
}
