/* collectord/profile/symbolize.c - see symbolize.h.
 *
 * One module at a time: open its file, compare build-ids, load its symbols and DWARF, answer for its addresses in
 * rising order, close it.  The function that owns an address is named by the ELF symbols where they cover it (the
 * name other tools and people know: "malloc"), else by DWARF; places and inlined calls come from DWARF.
 * The network is never asked: elfutils would ask the servers of DEBUGINFOD_URLS, so that is hidden meanwhile. */
#include "collectord/profile/debug_files.h"
#include "collectord/profile/symbolize.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/demangle.h"
#include "collectord/profile/dwarf_frames.h"
#include "collectord/profile/elf_symbols.h"
#include "collectord/profile/jit_names.h"
#include "collectord/profile/module_file.h"
#include "collectord/profile/source_path.h"

#define DEBUGINFOD "DEBUGINFOD_URLS"
#define PROGRESS_STEP 256 /* addresses between two calls of progress() */

struct module {
	Dwfl *dwfl;
	Dwfl_Module *dwfl_module;
	struct elf_symbols symbols;
	struct dwarf_frames *frames;
};

struct symbolizer {
	struct profile *p;
	const struct symbolize_options *o;
	struct symbolize_stats stats;
	uint32_t *order; /* locations, by mapping and address */
	size_t n, done;
	char *debug_path; /* elfutils takes char ** */
	Dwfl_Callbacks callbacks;
};

/* A module that stays without names. */
static void note_unnamed(struct symbolizer *z, const struct profile_mapping *m, const char *why)
{
	if (why == module_changed)
		z->stats.modules_mismatched++;
	else
		z->stats.modules_missing++;
	if (z->stats.unnamed)
		return;
	z->stats.unnamed = m->file;
	z->stats.why_unnamed = why;
}

static void close_module(struct module *m)
{
	elf_symbols_done(&m->symbols);
	dwarf_frames_free(m->frames);
	if (m->dwfl)
		dwfl_end(m->dwfl);
}

/* 1 = open, 0 = no such file or not the one that ran (counted), or -ENOMEM. */
static int open_module(struct symbolizer *z, const struct profile_mapping *mapping, struct module *m)
{
	const char *why;
	int64_t began = z->p->time_nanos ? z->p->time_nanos - z->p->duration_nanos : INT64_MAX;
	int fd = module_open(mapping, began, &why), r;

	if (fd < 0) {
		note_unnamed(z, mapping, why);
		return 0;
	}
	m->dwfl = dwfl_begin(&z->callbacks);
	if (m->dwfl)
		m->dwfl_module = dwfl_report_elf(m->dwfl, mapping->file, mapping->file, fd, mapping->bias, true);
	if (!m->dwfl_module) {
		close(fd); /* else the module owns it */
		note_unnamed(z, mapping, "not an ELF file");
		return 0;
	}
	dwfl_report_end(m->dwfl, NULL, NULL);
	if (!module_is(m->dwfl_module, mapping->build_id)) {
		note_unnamed(z, mapping, module_changed);
		return 0;
	}
	r = elf_symbols_init(&m->symbols, m->dwfl_module);
	if (!r)
		r = dwarf_frames_new(m->dwfl_module, &m->frames);
	return r ? r : 1;
}

static int add_line(struct symbolizer *z, const struct dwarf_frame *f, struct profile_line *ret)
{
	char *shown = demangle_name(f->function);
	char *file = f->file ? source_path(f->dir, f->file) : strdup("");
	uint32_t function = PROFILE_NONE;

	if (shown && file)
		function = profile_add_function(z->p, shown, f->function, file, 0);
	free(shown);
	free(file);
	if (function == PROFILE_NONE)
		return -ENOMEM;
	*ret = (struct profile_line){ .function = function, .line = f->line };
	return 0;
}

static void note_found(struct symbolizer *z, const struct profile_location *l, const struct dwarf_frame *frames,
		       int n)
{
	struct profile_mapping *m = &z->p->mappings[l->mapping];

	z->stats.named++;
	m->has_functions = true;
	if (n > 1)
		m->has_inline_frames = true;
	if (!frames[0].file)
		return;
	z->stats.with_lines++;
	m->has_filenames = true;
	m->has_line_numbers = true;
}

/* Drop frames without any name; a nameless inlined call is part of its caller. */
static int named_frames(struct dwarf_frame *frames, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (frames[i].function && *frames[i].function)
			frames[kept++] = frames[i];
	return kept;
}

static int symbolize_location(struct symbolizer *z, struct module *m, struct profile_location *l)
{
	struct dwarf_frame frames[DWARF_MAX_INLINE];
	const char *symbol = elf_symbols_find(&m->symbols, l->address);
	int n = dwarf_frames_at(m->frames, l->address, frames);
	struct profile_line *lines;

	if (n < 0)
		return n;
	if (!n)
		frames[n++] = (struct dwarf_frame){ 0 };
	if (symbol)
		frames[n - 1].function = symbol;
	n = named_frames(frames, n);
	if (!n)
		return 0;
	lines = profile_alloc(z->p, (size_t)n, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		int r = add_line(z, &frames[i], &lines[i]);

		if (r)
			return r;
	}
	note_found(z, l, frames, n);
	l->entry = elf_symbols_start(&m->symbols, l->address);
	l->lines = lines;
	l->n_lines = (uint32_t)n;
	return 0;
}

static void report_progress(struct symbolizer *z)
{
	if (z->o && z->o->progress && (z->done % PROGRESS_STEP == 0 || z->done == z->n))
		z->o->progress(z->done, z->n, z->o->arg);
}

/* Locations order[first..end) lie in one mapping. */
static int symbolize_mapping(struct symbolizer *z, size_t first, size_t end)
{
	const struct profile_mapping *mapping = &z->p->mappings[z->p->locations[z->order[first]].mapping];
	struct module m = { 0 };
	int r = 0;

	if (mapping->file[0] == '/') { /* else no file: "[vdso]", "[anon]", "" */
		z->stats.modules++;
		r = open_module(z, mapping, &m);
	}
	for (size_t i = first; i < end && r >= 0; i++) {
		if (r)
			r = symbolize_location(z, &m, &z->p->locations[z->order[i]]) ? -ENOMEM : 1;
		z->done++;
		report_progress(z);
	}
	close_module(&m);
	return r < 0 ? r : 0;
}

static int compare_locations(const void *a, const void *b, void *ctx)
{
	const struct profile *p = ctx;
	const struct profile_location *x = &p->locations[*(const uint32_t *)a];
	const struct profile_location *y = &p->locations[*(const uint32_t *)b];

	if (x->mapping != y->mapping)
		return x->mapping < y->mapping ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* The locations that need a name, sorted. */
static int collect(struct symbolizer *z)
{
	struct profile *p = z->p;

	z->order = calloc(p->n_locations + 1, sizeof(*z->order));
	if (!z->order)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_locations; i++) {
		if (p->locations[i].n_lines)
			continue;
		z->stats.addresses++;
		if (p->locations[i].mapping != PROFILE_NONE)
			z->order[z->n++] = (uint32_t)i;
	}
	qsort_r(z->order, z->n, sizeof(*z->order), compare_locations, p);
	return 0;
}

static int symbolize_all(struct symbolizer *z)
{
	const struct profile_location *locations = z->p->locations;
	int r = collect(z);

	for (size_t first = 0, end; first < z->n && !r; first = end) {
		for (end = first + 1; end < z->n; end++)
			if (locations[z->order[end]].mapping != locations[z->order[first]].mapping)
				break;
		r = symbolize_mapping(z, first, end);
	}
	if (!r)
		r = jit_names_add(z->p, &z->stats.named);
	free(z->order);
	return r;
}

/* Run symbolize_all() with DEBUGINFOD_URLS out of the environment. */
static int symbolize_offline(struct symbolizer *z)
{
	const char *set = getenv(DEBUGINFOD);
	char *urls = set ? strdup(set) : NULL;
	int r;

	if (set && !urls)
		return -ENOMEM;
	unsetenv(DEBUGINFOD);
	r = symbolize_all(z);
	if (urls)
		setenv(DEBUGINFOD, urls, 1);
	free(urls);
	return r;
}

int profile_symbolize(struct profile *p, const struct symbolize_options *o, struct symbolize_stats *ret)
{
	struct symbolizer z = { .p = p, .o = o };
	int r;

	if (o && o->debug_path) {
		z.debug_path = strdup(o->debug_path);
		if (!z.debug_path)
			return -ENOMEM;
	}
	z.callbacks = (Dwfl_Callbacks){ .find_elf = dwfl_build_id_find_elf,
					.find_debuginfo = debug_files_find,
					.section_address = dwfl_offline_section_address,
					.debuginfo_path = o && o->debug_path ? &z.debug_path : NULL };
	r = symbolize_offline(&z);
	free(z.debug_path);
	if (!r && ret)
		*ret = z.stats;
	return r;
}
