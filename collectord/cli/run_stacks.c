/* collectord/cli/run_stacks.c - the biggest stacks of a run, one row each, for the summary.
 *
 * A row names the function that asked for the memory and its callers: wrappers of the allocator at the leaf (malloc
 * and its likes, containers, language runtimes' front doors) say nothing about the program and are skipped, unless
 * there is nothing else.  Stacks that read the same are one row. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/names.h"
#include "collectord/cli/run.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/profile/convert.h"

#define ROWS 10
#define FRAMES 4
#define NAME_COLUMNS 48

struct row {
	char text[FRAMES * (NAME_COLUMNS + 8)];
	double bytes, variance;
};

/* Functions that only pass the request on. */
static bool is_wrapper(const char *name)
{
	static const char *const starts[] = {
		"operator new", "std::",  "__gnu_cxx::",   "alloc::",      "hashbrown::", "core::",
		"__rust_alloc", "__rg_",  "strdup",        "strndup",      "__strdup",    "__strndup",
		"_PyMem_",      "PyMem_", "_PyObject_GC_", "PyObject_GC_", "obstack_",
	};
	static const char *const parts[] = { "malloc", "calloc", "realloc", "memalign", "aligned_alloc" };

	if (*name == '<')
		name++; /* Rust: <alloc::vec::Vec<T> as ...>::clone */
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (!strncmp(name, starts[i], strlen(starts[i])))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

/* Where every stack begins: says nothing. */
static bool is_root(const char *name)
{
	static const char *const roots[] = {
		"__libc_start", "_start", "start_thread", "__clone", "clone3", "clone"
	};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (!strncmp(name, roots[i], strlen(roots[i])))
			return true;
	return false;
}

/* --- the text of a stack ----------------------------------------------------------------------------- */

/* All functions of a stack, leaf first, inlined ones included; object names where the function is not known. */
struct names {
	const char **list;
	size_t n;
};

/* "[libfoo.so]" for a frame of which only the object is known, as in a report; NULL when out of memory. */
static const char *object_name(struct profile *p, const struct profile_location *l)
{
	const char *file = l->mapping == PROFILE_NONE ? "" : p->mappings[l->mapping].file;
	const char *base = strrchr(file, '/');
	char name[NAME_MAX + 3];

	if (!base)
		return *file ? file : "[unknown]";
	snprintf(name, sizeof(name), "[%s]", base + 1);
	return profile_string(p, name);
}

static size_t count_names(const struct profile *p, const struct profile_sample *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->n_locations; i++)
		n += p->locations[s->locations[i]].n_lines + 1;
	return n;
}

static int collect_names(struct profile *p, const struct profile_sample *s, struct names *ret)
{
	ret->n = 0;
	ret->list = calloc(count_names(p, s) + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_locations; i++) {
		const struct profile_location *l = &p->locations[s->locations[i]];

		for (uint32_t j = 0; j < l->n_lines; j++)
			ret->list[ret->n++] = p->functions[l->lines[j].function].name;
		if (!l->n_lines && !(ret->list[ret->n++] = object_name(p, l))) {
			free(ret->list);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Cut at a character's start, so that what is shown stays valid UTF-8. */
static int cut_length(const char *name)
{
	size_t n = strlen(name);

	if (n <= NAME_COLUMNS)
		return (int)n;
	n = NAME_COLUMNS - 3;
	while (n && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

static void write_row(const struct names *names, struct row *row)
{
	size_t first = 0, used = 0;
	unsigned shown = 0;

	while (first < names->n && is_wrapper(names->list[first]))
		first++;
	if (first == names->n)
		first = 0;
	for (size_t i = first; i < names->n && shown < FRAMES && !(shown && is_root(names->list[i])); i++) {
		const char *name = names->list[i];
		int cut = cut_length(name);

		if (i > first && !strcmp(name, names->list[i - 1]))
			continue; /* recursion: once is enough */
		used += (size_t)snprintf(row->text + used, sizeof(row->text) - used, "%s%.*s%s",
					 shown ? " <- " : "", cut, name, name[cut] ? "..." : "");
		shown++;
	}
}

/* --- rows -------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->text, ((const struct row *)b)->text);
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return by_text(a, b);
}

static int make_rows(struct profile *p, struct row *rows, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_samples; i++) {
		const struct profile_sample *s = &p->samples[i];
		struct names names;

		if (!s->values[PROFILE_INUSE_SPACE])
			continue;
		if (collect_names(p, s, &names))
			return -ENOMEM;
		write_row(&names, &rows[n]);
		rows[n].bytes = (double)s->values[PROFILE_INUSE_SPACE];
		rows[n++].variance = s->variance ? s->variance[PROFILE_INUSE_SPACE] : 0;
		free(names.list);
	}
	*ret_n = n;
	return 0;
}

/* Rows that read the same become one; stacks are independent, so variances add. */
static size_t merge_rows(struct row *rows, size_t n)
{
	size_t kept = 0;

	qsort(rows, n, sizeof(*rows), by_text);
	for (size_t i = 0; i < n; i++) {
		if (kept && !strcmp(rows[kept - 1].text, rows[i].text)) {
			rows[kept - 1].bytes += rows[i].bytes;
			rows[kept - 1].variance += rows[i].variance;
		} else {
			rows[kept++] = rows[i];
		}
	}
	qsort(rows, kept, sizeof(*rows), by_bytes);
	return kept;
}

static void print_rows(const struct row *rows, size_t n)
{
	char size[SIZE_TEXT_MAX], error[SIZE_TEXT_MAX];
	double total = 0;

	for (size_t i = 0; i < n; i++)
		total += rows[i].bytes;
	for (size_t i = 0; i < n && i < ROWS; i++) {
		double e = profile_error_95(rows[i].variance);

		say("  %9s %s%-9s %5.1f%%  %s", size_text(size, rows[i].bytes), e > 0 ? "\xc2\xb1 " : "  ",
		    e > 0 ? size_text(error, e) : "", 100 * rows[i].bytes / total, rows[i].text);
	}
}

/* Is it "[file]" or "file+0x12f0"? */
static bool begins_nameless(const char *text, const char *file, size_t n)
{
	if (text[0] == '[')
		return !strncmp(text + 1, file, n) && text[n + 1] == ']';
	return !strncmp(text, file, n) && !strncmp(text + n, "+0x", 3);
}

/* When the biggest row begins in a stripped object: where its names may come from. */
static void hint_at_symbols(const struct profile *p, const struct row *first)
{
	for (size_t i = 0; i < p->n_mappings; i++) {
		const char *base = strrchr(p->mappings[i].file, '/');
		size_t n = base ? strlen(base + 1) : 0;

		if (n && begins_nameless(first->text, base + 1, n)) {
			say("%s: functions without names are called by where they begin; its debug symbols (a "
			    "-dbgsym package, or `heaptap top --debuginfod`) name them",
			    base + 1);
			return;
		}
	}
}

static int print_profile(struct profile *p)
{
	struct row *rows = calloc(p->n_samples + 1, sizeof(*rows));
	size_t n = 0;
	int r = rows ? make_rows(p, rows, &n) : -ENOMEM;

	if (!r) {
		print_rows(rows, merge_rows(rows, n));
		hint_at_symbols(p, rows);
	}
	free(rows);
	return r;
}

/* A full disk may have kept away the last ones: then the newest is not of the end. */
static void print_heading(const struct snapshot *s, bool peak)
{
	bool is_final = s->reason == SNAPSHOT_EXIT || s->reason == SNAPSHOT_ASKED;
	char when[SIZE_TEXT_MAX], taken[SIZE_TEXT_MAX];

	time_text(when, s->peak_elapsed_ns);
	time_text(taken, s->elapsed_ns);
	if (peak && is_final)
		say("biggest in use at the peak (%s), as nearly all was freed by the end:", when);
	else if (peak)
		say("biggest in use at the peak (%s), in the last snapshot written, at %s:", when, taken);
	else if (is_final)
		say("biggest in use at the end:");
	else
		say("biggest in use in the last snapshot written, at %s:", taken);
}

void stacks_print(const struct snapshot *s)
{
	bool peak = peak_says_more(&s->total);
	struct symbolize_stats stats;
	struct profile *p = NULL;
	int r = profile_from_snapshot(s, peak ? CONVERT_PEAK : CONVERT_NOW, &p, NULL);

	if (!r)
		r = names_read(p, &stats);
	if (!r && p->n_samples) {
		names_say(&stats);
		print_heading(s, peak);
		r = print_profile(p);
	}
	if (r)
		say("no table of stacks: %s", strerror(-r));
	profile_free(p);
}
