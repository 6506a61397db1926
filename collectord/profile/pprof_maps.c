/* collectord/profile/pprof_maps.c - see pprof_maps.h.
 *
 * Lines are matched by the same expressions for old and new forms that pprof accepts; of /proc/PID/maps only what
 * is executable counts. */
#include "collectord/profile/pprof_maps.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/compiler.h"

#define HEX "0123456789abcdefABCDEF"
#define SPACE " \t\n\r\f\v"
#define PROGRAM_START 0x400000

/* One line, in its parts; "" where there is none. */
struct entry {
	uint64_t start, limit, offset;
	char *perms, *file, *build_id;
};

static size_t hex_length(const char *t)
{
	return strspn(t, HEX);
}

static const char *spaces(const char *t)
{
	return t + strspn(t, SPACE);
}

/* A number of at most 64 bits in hex at *t, with or without 0x. */
static bool take_hex(const char **t, uint64_t *ret)
{
	const char *from = *t;

	if (from[0] == '0' && from[1] == 'x' && hex_length(from + 2))
		from += 2;
	if (!hex_length(from))
		return false;
	errno = 0;
	*ret = strtoull(from, NULL, 16);
	*t = from + hex_length(from);
	return !errno;
}

/* "START-END", perhaps with a colon. */
static bool take_range(const char **t, struct entry *e)
{
	*t = spaces(*t);
	if (!take_hex(t, &e->start))
		return false;
	*t += **t == '-' || (**t && strchr(SPACE, **t));
	*t = spaces(*t);
	if (!take_hex(t, &e->limit))
		return false;
	*t += **t == ':';
	return true;
}

/* A word behind white space, of these characters only (all but space if NULL); "" if there is none. */
static char *take_word(const char **t, const char *of)
{
	const char *from = spaces(*t);
	size_t n = of ? strspn(from, of) : strcspn(from, SPACE);

	if (from == *t || !n)
		return strdup("");
	*t = from + n;
	return strndup(from, n);
}

/* " OFFSET MAJOR:MINOR INODE [PATH]": the rest of a line of /proc/PID/maps. */
static bool take_proc_rest(const char *t, struct entry *e)
{
	const char *from = spaces(t);
	uint64_t number;

	if (from == t || !hex_length(from))
		return false;
	e->offset = strtoull(from, NULL, 16);
	t = from + hex_length(from);
	from = spaces(t);
	if (from == t || !take_hex(&from, &number) || *from++ != ':' || !hex_length(from))
		return false;
	t = from + hex_length(from);
	from = spaces(t);
	if (from == t || !isdigit((unsigned char)*from))
		return false;
	t = from + strspn(from, "0123456789");
	e->file = take_word(&t, NULL);
	e->build_id = strdup("");
	return true;
}

/* " [PATH] [(@OFFSET)] [BUILD-ID]" */
static void take_brief_rest(const char *t, struct entry *e)
{
	const char *from;

	e->file = take_word(&t, NULL);
	from = spaces(t);
	if (from > t && from[0] == '(' && from[1] == '@' && hex_length(from + 2) &&
	    from[2 + hex_length(from + 2)] == ')') {
		e->offset = strtoull(from + 2, NULL, 16);
		t = from + 3 + hex_length(from + 2);
	}
	from = spaces(t);
	e->build_id = from > t ? strndup(from, hex_length(from)) : strdup("");
}

static void entry_done(struct entry *e)
{
	free(e->perms);
	free(e->file);
	free(e->build_id);
}

/* 1: an executable mapping; 0: one that is not; -EINVAL: no mapping at all; -ENOMEM. */
static int read_entry(const char *line, struct entry *e)
{
	const char *t = line;

	memset(e, 0, sizeof(*e));
	if (!take_range(&t, e))
		return -EINVAL;
	e->perms = take_word(&t, "-rwxp");
	if (e->perms && !take_proc_rest(t, e))
		take_brief_rest(t, e);
	if (!e->perms || !e->file || !e->build_id)
		return -ENOMEM;
	return !*e->perms || strchr(e->perms, 'x') ? 1 : 0;
}

/* --- variables: "build=/path" makes $build mean /path from there on ----------------------------------- */

struct variables {
	char *names[32], *values[32];
	size_t n;
};

static char *trimmed(const char *from, size_t n)
{
	size_t skip = strspn(from, SPACE);

	skip = skip < n ? skip : n;
	while (n > skip && strchr(SPACE, from[n - 1]))
		n--;
	return strndup(from + skip, n - skip);
}

static void define(struct variables *v, const char *line)
{
	const char *equals = strchr(line, '=');

	if (!equals || v->n == ARRAY_SIZE(v->names))
		return;
	v->names[v->n] = trimmed(line, (size_t)(equals - line));
	v->values[v->n] = trimmed(equals + 1, strlen(equals + 1));
	if (v->names[v->n] && v->values[v->n])
		v->n++;
}

/* The variable whose name follows the $ at `t`; the one defined first wins. */
static size_t find_variable(const struct variables *v, const char *t)
{
	size_t i = 0;

	while (i < v->n && (*t != '$' || strncmp(t + 1, v->names[i], strlen(v->names[i]))))
		i++;
	return i;
}

/* The first `n` bytes of a line with its variables replaced; NULL: out of memory. */
static char *substitute(const struct variables *v, const char *line, size_t n)
{
	size_t room = n + 1, len = 0;
	char *text;

	for (size_t i = 0; i < n; i++) {
		size_t k = find_variable(v, line + i);

		room += k < v->n ? strlen(v->values[k]) : 0;
	}
	text = malloc(room);
	for (size_t i = 0; text && i < n; i++) {
		size_t k = find_variable(v, line + i);

		if (k == v->n) {
			text[len++] = line[i];
			continue;
		}
		len = (size_t)(stpcpy(text + len, v->values[k]) - text);
		i += strlen(v->names[k]);
	}
	if (text)
		text[len] = '\0';
	return text;
}

/* "file.cc:12] " in front of a line, as glog writes it. */
static const char *without_log_prefix(const char *line, size_t n)
{
	for (size_t i = 0; i + 1 < n && line[i] != '[' && line[i] != ']'; i++) {
		size_t after = i + 1;

		if (!i || line[i] != ':')
			continue;
		while (after < n && line[after] >= '0' && line[after] <= '9')
			after++;
		if (after > i + 1 && after + 1 < n && line[after] == ']' && line[after + 1] &&
		    strchr(SPACE, line[after + 1]))
			return line + after + 2;
	}
	return line;
}

/* --- mappings ---------------------------------------------------------------------------------------- */

/* Do they say the same, or one of them nothing? */
static bool same_or_none(const char *a, const char *b)
{
	return !*a || !*b || !strcmp(a, b);
}

static bool continues(const struct profile_mapping *a, const struct profile_mapping *b)
{
	return same_or_none(a->file, b->file) && same_or_none(a->build_id, b->build_id) && a->limit == b->start &&
	       (!a->offset || !b->offset || a->offset + (a->limit - a->start) == b->offset);
}

static void join_adjacent(struct profile *p)
{
	size_t n = p->n_mappings ? 1 : 0;

	for (size_t i = 1; i < p->n_mappings; i++) {
		struct profile_mapping *last = &p->mappings[n - 1], *m = &p->mappings[i];

		if (!continues(last, m)) {
			p->mappings[n++] = *m;
			continue;
		}
		last->limit = m->limit;
		last->file = *m->file ? m->file : last->file;
		last->build_id = *m->build_id ? m->build_id : last->build_id;
	}
	p->n_mappings = n;
}

/* Ends in ".so", or contains ".so.1" or ".so_1". */
static bool is_library(const char *file)
{
	size_t n = strlen(file);

	for (const char *t = strstr(file, ".so"); t; t = strstr(t + 1, ".so"))
		if ((t[3] == '.' || t[3] == '_') && isdigit((unsigned char)t[4]))
			return true;
	return n >= 3 && !strcmp(file + n - 3, ".so");
}

static void put_program_first(struct profile *p)
{
	for (size_t i = 0; i < p->n_mappings; i++) {
		struct profile_mapping m = p->mappings[i];

		if (!*m.file || is_library(m.file) || *m.file == '[' || !strcmp(m.file, "(deleted)"))
			continue;
		p->mappings[i] = p->mappings[0];
		p->mappings[0] = m;
		return;
	}
}

static void fix_first(struct profile *p)
{
	if (p->n_mappings > 1 && !strncmp(p->mappings[0].file, "/anon_hugepage", 14) &&
	    p->mappings[0].limit == p->mappings[1].start) {
		p->n_mappings--;
		memmove(p->mappings, p->mappings + 1, p->n_mappings * sizeof(*p->mappings));
	}
	if (p->n_mappings && p->mappings[0].start - p->mappings[0].offset == PROGRAM_START) {
		p->mappings[0].start = PROGRAM_START;
		p->mappings[0].offset = 0;
	}
}

static uint32_t find_mapping(struct profile *p, uint64_t address)
{
	for (uint32_t i = 0; i < p->n_mappings; i++)
		if (p->mappings[i].start <= address && address < p->mappings[i].limit)
			return i;
	for (uint32_t i = 0; i < p->n_mappings; i++) {
		struct profile_mapping *m = &p->mappings[i];

		if (m->offset && m->start - m->offset <= address && address < m->start) {
			m->start -= m->offset;
			m->offset = 0;
			return i;
		}
	}
	return PROFILE_NONE;
}

/* Addresses in no mapping share one that has no name and covers everything. */
static int place_locations(struct profile *p)
{
	uint32_t rest = PROFILE_NONE;

	for (size_t i = 0; i < p->n_locations; i++) {
		struct profile_location *l = &p->locations[i];

		if (!l->address)
			continue;
		l->mapping = find_mapping(p, l->address);
		if (l->mapping == PROFILE_NONE && rest == PROFILE_NONE) {
			rest = profile_add_mapping(
				p, &(struct profile_mapping){ .limit = UINT64_MAX, .file = "", .build_id = "" });
			if (rest == PROFILE_NONE)
				return -ENOMEM;
		}
		if (l->mapping == PROFILE_NONE)
			l->mapping = rest;
	}
	return 0;
}

/* `line` has n bytes; what looks into it may look one further: there is a NUL. */
static int add_terminated_line(struct profile *p, struct variables *v, const char *line, size_t n)
{
	const char *from = without_log_prefix(line, n);
	char *text = substitute(v, from, n - (size_t)(from - line));
	struct entry e = { 0 };
	int r = text ? read_entry(text, &e) : -ENOMEM;

	if (r == -EINVAL)
		define(v, text);
	if (r > 0 && profile_add_mapping(p, &(struct profile_mapping){ .start = e.start,
								       .limit = e.limit,
								       .offset = e.offset,
								       .file = e.file,
								       .build_id = e.build_id }) == PROFILE_NONE)
		r = -ENOMEM;
	entry_done(&e);
	free(text);
	return r == -ENOMEM ? r : 0;
}

static int add_line(struct profile *p, struct variables *v, const char *line, size_t n)
{
	char *copy = malloc(n + 1);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, line, n);
	copy[n] = '\0';
	r = add_terminated_line(p, v, copy, n);
	free(copy);
	return r;
}

int maps_read(struct profile *p, const char *text, const char *end)
{
	struct variables v = { 0 };
	int r = 0;

	while (text < end && !r) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);

		r = add_line(p, &v, text, n && text[n - 1] == '\r' ? n - 1 : n);
		text += n + 1;
	}
	for (size_t i = 0; i < v.n; i++) {
		free(v.names[i]);
		free(v.values[i]);
	}
	if (r)
		return r;
	join_adjacent(p);
	put_program_first(p);
	fix_first(p);
	return place_locations(p);
}
