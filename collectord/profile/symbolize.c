/* collectord/profile/symbolize.c - see symbolize.h.
 *
 * One module at a time: answers that the cache has first; for the rest open its file, which must be the one that
 * ran, and ask in rising order; keep what was found for the next time. elfutils would ask the servers of
 * DEBUGINFOD_URLS by itself and without a deadline, so that is hidden meanwhile. */
#include "collectord/profile/symbolize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/debug_server.h"
#include "collectord/profile/demangle.h"
#include "collectord/profile/jit_names.h"
#include "collectord/profile/module_file.h"
#include "collectord/profile/module_symbols.h"
#include "collectord/profile/source_path.h"
#include "collectord/profile/symbol_cache.h"
#include "collectord/profile/vdso_file.h"

#define DEBUGINFOD "DEBUGINFOD_URLS"
#define PROGRESS_STEP 256 /* addresses between two calls of progress() */

/* One mapping, while its addresses are answered. */
struct module {
	struct profile_mapping *mapping;
	struct symbol_cache *cache; /* NULL = none */
	struct module_symbols *symbols;
	bool is_tried; /* to open it */
	const char *why_not;
};

struct symbolizer {
	struct profile *p;
	const struct symbolize_options *o;
	struct symbolize_stats stats;
	struct debug_server *server;
	int folder;      /* of the cache, or -1 */
	uint32_t *order; /* locations, by mapping and address */
	size_t n, done;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A module that stays without names, or without some.  Its name says so wherever it stands for a function: that
 * file is not what ran, or none. */
static int note_unnamed(struct symbolizer *z, struct module *m)
{
	bool is_replaced = m->why_not == module_changed;
	char *marked;

	if (!strcmp(m->mapping->file, VDSO_NAME))
		return 0;
	if (is_replaced)
		z->stats.modules_mismatched++;
	else
		z->stats.modules_missing++;
	if (!z->stats.unnamed) {
		z->stats.unnamed = m->mapping->file;
		z->stats.why_unnamed = m->why_not;
	}
	if ((!is_replaced && m->why_not != module_gone) || z->o->is_foreign)
		return 0;
	if (asprintf(&marked, "%s (%s)", m->mapping->file, is_replaced ? "replaced" : "not found") < 0)
		return -ENOMEM;
	m->mapping->file = profile_string(z->p, marked);
	free(marked);
	return m->mapping->file ? 0 : -ENOMEM;
}

/* 0, with m->symbols still NULL if there is no such file, or -ENOMEM. */
static int open_module(struct symbolizer *z, struct module *m)
{
	const struct module_source from = {
		.mapping = m->mapping,
		.began = z->p->time_nanos ? z->p->time_nanos - z->p->duration_nanos : INT64_MAX,
		.debug_path = z->o->debug_path,
		.server = z->server,
	};
	int r = module_symbols_open(&from, &m->symbols, &m->why_not);

	m->is_tried = true;
	return r < 0 ? r : 0;
}

static int add_line(struct symbolizer *z, const struct dwarf_frame *f, struct profile_line *ret)
{
	char *shown = demangle_name(f->function);
	uint32_t function = PROFILE_NONE;

	if (shown)
		function = profile_add_function(z->p, shown, f->function, f->file ? f->file : "", 0);
	free(shown);
	if (function == PROFILE_NONE)
		return -ENOMEM;
	*ret = (struct profile_line){ .function = function, .line = f->line };
	return 0;
}

/* "cc1plus+0x12f0": what can be given to addr2line and gdb.  Without a system name pprof leaves it as it is. */
static int add_start(struct symbolizer *z, const struct module *m, uint64_t entry, struct profile_line *ret)
{
	uint32_t function = PROFILE_NONE;
	char *name;

	if (asprintf(&name, "%s+0x%" PRIx64, base_name(m->mapping->file), entry) < 0)
		return -ENOMEM;
	function = profile_add_function(z->p, name, "", "", 0);
	free(name);
	if (function == PROFILE_NONE)
		return -ENOMEM;
	*ret = (struct profile_line){ .function = function };
	return 0;
}

static void note_found(struct symbolizer *z, struct profile_mapping *m, const struct module_answer *a)
{
	z->stats.named++;
	m->has_functions = true;
	if (a->n > 1)
		m->has_inline_frames = true;
	if (!a->n || !a->frames[0].file)
		return;
	z->stats.with_lines++;
	m->has_filenames = true;
	m->has_line_numbers = true;
}

static int apply(struct symbolizer *z, const struct module *m, const struct module_answer *a,
		 struct profile_location *l)
{
	size_t n = a->n ? (size_t)a->n : 1;
	struct profile_line *lines;
	int r = 0;

	if (!a->n && !a->entry)
		return 0;
	lines = profile_alloc(z->p, n, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	if (!a->n)
		r = add_start(z, m, a->entry, lines);
	for (int i = 0; i < a->n && !r; i++)
		r = add_line(z, &a->frames[i], &lines[i]);
	if (r)
		return r;
	note_found(z, m->mapping, a);
	l->entry = a->entry ? a->entry + m->mapping->bias : 0;
	l->lines = lines;
	l->n_lines = (uint32_t)n;
	return 0;
}

/* Files in their final spelling, in the profile's memory. */
static int finish_files(struct symbolizer *z, struct module_answer *a)
{
	for (int i = 0; i < a->n; i++) {
		struct dwarf_frame *f = &a->frames[i];
		char *file;

		if (!f->file)
			continue;
		file = source_path(f->dir, f->file);
		f->file = file ? profile_string(z->p, file) : NULL;
		free(file);
		if (!f->file)
			return -ENOMEM;
	}
	return 0;
}

/* The answer of the module's own files.  1, 0 = there are none, or -ENOMEM. */
static int ask_files(struct symbolizer *z, struct module *m, uint64_t address, struct module_answer *ret)
{
	int r = m->is_tried ? 0 : open_module(z, m);

	if (r || !m->symbols)
		return r;
	r = module_symbols_at(m->symbols, address, ret);
	if (!r)
		r = finish_files(z, ret);
	if (!r && m->cache && module_symbols_has_lines(m->symbols))
		r = symbol_cache_add(m->cache, address, ret);
	return r ? r : 1;
}

static int symbolize_location(struct symbolizer *z, struct module *m, struct profile_location *l)
{
	struct module_answer a;
	int r = 1;

	if (!m->cache || !symbol_cache_find(m->cache, l->address, &a))
		r = ask_files(z, m, l->address, &a);
	return r > 0 ? apply(z, m, &a, l) : r;
}

static void report_progress(struct symbolizer *z)
{
	if (z->o->progress && (z->done % PROGRESS_STEP == 0 || z->done == z->n))
		z->o->progress(z->done, z->n, z->o->arg);
}

bool mapping_is_named(const struct profile_mapping *m)
{
	return m->has_functions || m->has_filenames || m->has_line_numbers;
}

static bool has_file(const struct profile_mapping *m)
{
	return m->file[0] == '/' || !strcmp(m->file, VDSO_NAME); /* else "[anon]", "" */
}

static int open_cache(struct symbolizer *z, struct module *m)
{
	if (z->folder < 0 || !*m->mapping->build_id || m->mapping->file[0] != '/')
		return 0;
	return symbol_cache_open(z->folder, m->mapping, &m->cache);
}

/* Locations order[first..end) lie in one mapping. */
static int symbolize_mapping(struct symbolizer *z, size_t first, size_t end)
{
	struct module m = { .mapping = &z->p->mappings[z->p->locations[z->order[first]].mapping] };
	bool is_asked =
		z->o->is_foreign ? m.mapping->file[0] == '/' && !mapping_is_named(m.mapping) : has_file(m.mapping);
	int r = is_asked ? open_cache(z, &m) : 0;

	z->stats.modules += is_asked;
	for (size_t i = first; i < end && !r; i++) {
		if (is_asked)
			r = symbolize_location(z, &m, &z->p->locations[z->order[i]]);
		z->done++;
		report_progress(z);
	}
	if (!r && m.cache)
		symbol_cache_store(m.cache); /* else it is found again the next time */
	if (!r && m.is_tried && !m.symbols)
		r = note_unnamed(z, &m);
	symbol_cache_close(m.cache);
	module_symbols_close(m.symbols);
	return r;
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
	static const struct symbolize_options none;
	struct symbolizer z = { .p = p, .o = o ? o : &none, .folder = -1 };
	int r = 0;

	if (z.o->debuginfod_seconds) {
		z.stats.server_error = debug_server_open(z.o->debuginfod_seconds, &z.server);
		r = z.stats.server_error == -ENOMEM ? -ENOMEM : 0;
	}
	if (z.o->cache)
		z.folder = symbol_cache_folder(z.o->cache);
	if (!r)
		r = symbolize_offline(&z);
	if (debug_server_is_late(z.server))
		z.stats.server_error = -ETIMEDOUT;
	debug_server_close(z.server);
	if (z.folder >= 0)
		close(z.folder);
	if (!r && ret)
		*ret = z.stats;
	return r;
}
