/* collectord/profile/dwarf_frames.c - see dwarf_frames.h.
 *
 * address -> unit by the ranges the units state (.debug_aranges is optional and clang leaves it out) -> the
 * function of that unit that covers it -> down its tree of inlined calls.  The innermost frame's place comes from
 * the line table, each outer one's from the call site its callee recorded.  Depths are bounded: files may be
 * hostile. */
#include "collectord/profile/dwarf_frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/debug_files.h"
#include "collectord/profile/dwarf_names.h"
#include "collectord/profile/dwarf_scopes.h"
#include "collectord/profile/dwarf_walk.h"
#include "collectord/profile/spans.h"

#define MAX_RANGES (4u << 20) /* of one unit, and of all units: entries may share one long list */

/* Functions and the address ranges they state. */
struct table {
	struct spans spans; /* items count functions */
	Dwarf_Die *at;
	uint32_t n;
	size_t cap;
};

struct unit {
	Dwarf_Die functions; /* the DIE with the functions below it, and the one with the line table: */
	Dwarf_Die lines;     /* they differ in split DWARF */
	struct table table;  /* filled at the first question */
	bool is_loaded;
};

struct dwarf_frames {
	Dwarf_Addr bias;
	struct unit *units;
	uint32_t n_units;
	size_t cap_units;
	struct spans unit_spans;
	struct dwarf_names *names;
};

static int add_ranges(struct spans *t, Dwarf_Die *die, uint32_t item)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	int r = 0;

	while (!r && t->n < MAX_RANGES && (at = dwarf_ranges(die, at, &base, &start, &end)) > 0)
		if (start < end && start) /* code at 0 was discarded by the linker */
			r = spans_add(t, start, end, item);
	return r;
}

static int add_unit(struct dwarf_frames *d, const struct unit *u)
{
	Dwarf_Die die = u->lines; /* also in split DWARF the half that stays has the ranges */

	if (!table_reserve(&d->units, d->n_units, &d->cap_units, sizeof(*d->units)))
		return -ENOMEM;
	d->units[d->n_units] = *u;
	return add_ranges(&d->unit_spans, &die, d->n_units++);
}

/* The half of split DWARF that has the functions, or the unit itself: then only its name is lost. */
static void other_half(Dwfl_Module *module, Dwarf_CU *unit, Dwarf_Die *die)
{
	Dwarf_Die split = { 0 };

	if (debug_files_split_is_fit(module, die) &&
	    !dwarf_cu_info(unit, NULL, NULL, NULL, &split, NULL, NULL, NULL) && split.addr)
		*die = split;
}

static int load_units(struct dwarf_frames *d, Dwfl_Module *module, Dwarf *dwarf)
{
	Dwarf_CU *unit = NULL;
	uint8_t type;
	struct unit u = { 0 };
	int r = 0;

	while (!r && !dwarf_get_units(dwarf, unit, &unit, NULL, &type, &u.lines, NULL)) {
		u.functions = u.lines;
		if (type == DW_UT_skeleton)
			other_half(module, unit, &u.functions);
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			r = add_unit(d, &u);
	}
	spans_sort(&d->unit_spans);
	return r;
}

int dwarf_frames_new(Dwfl_Module *module, struct dwarf_frames **ret)
{
	struct dwarf_frames *d = calloc(1, sizeof(*d));
	Dwarf *dwarf;
	int r = 0;

	if (!d)
		return -ENOMEM;
	d->names = dwarf_names_new();
	if (!d->names)
		r = -ENOMEM;
	dwarf = debug_files_dwarf(module, &d->bias);
	if (dwarf && !r)
		r = load_units(d, module, dwarf);
	if (r) {
		dwarf_frames_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

bool dwarf_frames_exist(const struct dwarf_frames *d)
{
	return d->n_units;
}

void dwarf_frames_free(struct dwarf_frames *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->n_units; i++) {
		free(d->units[i].table.at);
		spans_done(&d->units[i].table.spans);
	}
	free(d->units);
	dwarf_names_free(d->names);
	spans_done(&d->unit_spans);
	free(d);
}

static bool has_code_of_its_own(Dwarf_Die *die)
{
	return dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges);
}

static int add_function(struct table *t, Dwarf_Die *die)
{
	if (!table_reserve(&t->at, t->n, &t->cap, sizeof(*t->at)))
		return -ENOMEM;
	t->at[t->n] = *die;
	return add_ranges(&t->spans, die, t->n++);
}

static int visit_function(void *ctx, const struct dwarf_walk_entry *e)
{
	Dwarf_Die die = e->die;
	int r = e->tag == DW_TAG_subprogram && e->has_code ? add_function(ctx, &die) : 0;

	if (r)
		return r;
	return dwarf_holds_functions(e->tag) && e->depth < DWARF_MAX_TREE ? DWARF_WALK_INTO : DWARF_WALK_OVER;
}

/* Once for each unit: the parts of one lie all over the code, cold and hot ones apart. */
static int load_functions(struct unit *u)
{
	int r;

	if (u->is_loaded)
		return 0;
	r = dwarf_walk(&u->functions, visit_function, &u->table);
	if (r)
		return r;
	spans_sort(&u->table.spans);
	u->is_loaded = true;
	return 0;
}

static bool is_block(int tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* The inlined call below `parent` that covers `pc`, looking through blocks. */
static bool find_inlined(Dwarf_Die *parent, uint64_t pc, unsigned depth, Dwarf_Die *ret)
{
	Dwarf_Die die;

	if (depth > DWARF_MAX_TREE || dwarf_child(parent, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);
		bool covers = dwarf_haspc(&die, pc) == 1;

		if (tag == DW_TAG_inlined_subroutine && covers) {
			*ret = die;
			return true;
		}
		if (is_block(tag) && (covers || !has_code_of_its_own(&die)) &&
		    find_inlined(&die, pc, depth + 1, ret))
			return true;
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

static int64_t unsigned_attribute(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	Dwarf_Word v = 0;

	if (!dwarf_attr(die, name, &a) || dwarf_formudata(&a, &v) || v > INT32_MAX)
		return 0;
	return (int64_t)v;
}

static const char *unit_dir(Dwarf_Die *lines)
{
	Dwarf_Attribute a;

	return dwarf_formstring(dwarf_attr(lines, DW_AT_comp_dir, &a));
}

static const char *unit_file(Dwarf_Die *lines, int64_t number)
{
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(lines, &files, &n) || (uint64_t)number >= n)
		return NULL;
	return dwarf_filesrc(files, (size_t)number, NULL, NULL);
}

static void line_at(Dwarf_Die *lines, uint64_t pc, struct dwarf_frame *f)
{
	Dwarf_Line *line = dwarf_getsrc_die(lines, pc);
	int number = 0;

	if (!line)
		return;
	f->file = dwarf_linesrc(line, NULL, NULL);
	if (!dwarf_lineno(line, &number))
		f->line = number;
}

/* The function that owns the code at `pc`, then the calls inlined into each other there: outermost first. */
static int inline_chain(const Dwarf_Die *function, uint64_t pc, Dwarf_Die *chain)
{
	int n = 0;

	chain[n++] = *function;
	while (n < DWARF_MAX_INLINE && find_inlined(&chain[n - 1], pc, 0, &chain[n]))
		n++;
	return n;
}

/* Frames of `function` at `pc`, innermost first; their number or -ENOMEM. */
static int fill_frames(struct dwarf_names *names, Dwarf_Die *lines, const Dwarf_Die *function, uint64_t pc,
		       struct dwarf_frame *frames)
{
	Dwarf_Die chain[DWARF_MAX_INLINE];
	int n = inline_chain(function, pc, chain), r;

	for (int i = 0; i < n; i++) {
		frames[i] = (struct dwarf_frame){ .dir = unit_dir(lines) };
		r = dwarf_names_function(names, &chain[n - 1 - i], &frames[i].function);
		if (r)
			return r;
	}
	line_at(lines, pc, &frames[0]);
	for (int i = 1; i < n; i++) { /* where frame i called the inlined function of frame i - 1 */
		frames[i].file = unit_file(lines, unsigned_attribute(&chain[n - i], DW_AT_call_file));
		frames[i].line = unsigned_attribute(&chain[n - i], DW_AT_call_line);
	}
	return n;
}

int dwarf_frames_at(struct dwarf_frames *d, uint64_t address, struct dwarf_frame *frames)
{
	uint64_t pc = address - d->bias;
	const struct span *covering = spans_find(&d->unit_spans, pc), *function;
	struct unit *u;
	int r;

	if (!covering)
		return 0;
	u = &d->units[covering->item];
	r = load_functions(u);
	if (r)
		return r;
	function = spans_find(&u->table.spans, pc);
	if (!function)
		return 0;
	return fill_frames(d->names, &u->lines, &u->table.at[function->item], pc, frames);
}
