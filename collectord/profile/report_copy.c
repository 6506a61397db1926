/* collectord/profile/report_copy.c - the profile a report may change, and what it blanks there; see report_work.h.
 *
 * Labels come in pprof's order: strings before numbers, each sorted by key, values of one key as they were. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_work.h"

#define BASE_LABEL "pprof::base"

/* --- copy -------------------------------------------------------------------------------------------- */

static int by_key(const struct profile_label *a, const struct profile_label *b)
{
	if (!a->str != !b->str)
		return a->str ? -1 : 1;
	return strcmp(a->key, b->key);
}

/* pprof forgets labels that say nothing. */
static bool is_empty(const struct profile_label *l)
{
	return l->str ? !*l->str : !l->num && !*l->unit;
}

static bool labels_are_fine(const struct profile_sample *s)
{
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (is_empty(&s->labels[i]) || (i && by_key(&s->labels[i - 1], &s->labels[i]) > 0))
			return false;
	return true;
}

static int copy_labels(struct profile *p, struct profile_sample *s)
{
	const struct profile_label *from = s->labels;
	uint32_t n = 0;

	if (labels_are_fine(s))
		return 0;
	s->labels = profile_alloc(p, s->n_labels, sizeof(*s->labels));
	if (!s->labels)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_labels; i++) {
		uint32_t at = n;

		if (is_empty(&from[i]))
			continue;
		for (; at && by_key(&s->labels[at - 1], &from[i]) > 0; at--)
			s->labels[at] = s->labels[at - 1];
		s->labels[at] = from[i];
		n++;
	}
	s->n_labels = n;
	return 0;
}

/* A table of `n` entries in the arena of `p`. */
static void *copy_table(struct profile *p, const void *from, size_t n, size_t size)
{
	void *to = profile_alloc(p, n, size);

	return to && n ? memcpy(to, from, n * size) : to;
}

int report_copy(const struct profile *from, struct profile **ret)
{
	struct profile *p = profile_new();
	struct profile_arena *arena;
	int r = 0;

	if (!p)
		return -ENOMEM;
	arena = p->arena;
	*p = *from;
	p->arena = arena;
	p->mappings = copy_table(p, from->mappings, from->n_mappings, sizeof(*p->mappings));
	p->functions = copy_table(p, from->functions, from->n_functions, sizeof(*p->functions));
	p->locations = copy_table(p, from->locations, from->n_locations, sizeof(*p->locations));
	p->samples = copy_table(p, from->samples, from->n_samples, sizeof(*p->samples));
	if (!p->mappings || !p->functions || !p->locations || !p->samples)
		r = -ENOMEM;
	for (size_t i = 0; i < p->n_samples && !r; i++)
		r = copy_labels(p, &p->samples[i]);
	if (r)
		profile_free(p);
	else
		*ret = p;
	return r;
}

bool report_sample_has_base(const struct profile_sample *s)
{
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (s->labels[i].str && !strcmp(s->labels[i].key, BASE_LABEL) && !strcmp(s->labels[i].str, "true"))
			return true;
	return false;
}

/* The base of a comparison is no label of the samples once its total is known. */
int report_remove_base(struct report *r)
{
	for (size_t i = 0; i < r->p->n_samples; i++) {
		struct profile_sample *s = &r->p->samples[i];
		struct profile_label *left;
		uint32_t n = 0;

		if (!report_sample_has_base(s))
			continue;
		left = profile_alloc(r->p, s->n_labels, sizeof(*left));
		if (!left)
			return -ENOMEM;
		for (uint32_t k = 0; k < s->n_labels; k++)
			if (!s->labels[k].str || strcmp(s->labels[k].key, BASE_LABEL))
				left[n++] = s->labels[k];
		s->labels = left;
		s->n_labels = n;
	}
	return 0;
}

/* --- units of numeric labels ------------------------------------------------------------------------- */

static struct report_label_unit *find_unit(const struct report *r, const char *key)
{
	for (uint32_t i = 0; i < r->n_label_units; i++)
		if (!strcmp(r->label_units[i].key, key))
			return &r->label_units[i];
	return NULL;
}

const char *report_label_unit(const struct report *r, const char *key)
{
	const struct report_label_unit *u = find_unit(r, key);

	return u ? u->unit : "";
}

static int add_unit(struct report *r, const char *key)
{
	if (!profile_reserve(r->p, &r->label_units, r->n_label_units, &r->label_units_room,
			     sizeof(*r->label_units)))
		return -ENOMEM;
	r->label_units[r->n_label_units++] = (struct report_label_unit){ key, "" };
	return 0;
}

static int by_unit_key(const void *a, const void *b)
{
	return strcmp(((const struct report_label_unit *)a)->key, ((const struct report_label_unit *)b)->key);
}

/* A key that has more than one unit: a note that names those that are not used. */
static int note_other_units(struct report *r, const struct report_label_unit *u)
{
	const char **others = NULL;
	char *line;
	size_t n = 0;

	for (size_t i = 0; i < r->p->n_samples; i++)
		for (uint32_t k = 0; k < r->p->samples[i].n_labels; k++) {
			const struct profile_label *l = &r->p->samples[i].labels[k];
			const char **grown;

			if (l->str || strcmp(l->key, u->key) || !*l->unit || !strcmp(l->unit, u->unit))
				continue;
			grown = reallocarray(others, n + 1, sizeof(*others));
			if (!grown) {
				free(others);
				return -ENOMEM;
			}
			others = grown;
			others[n++] = l->unit;
		}
	if (n) {
		qsort(others, n, sizeof(*others), report_by_text);
		line = report_format_string(r, "For tag %s used unit %s, also encountered unit(s) %s", u->key,
					    u->unit, others[0]);
		for (size_t i = 1; i < n; i++)
			if (strcmp(others[i], others[i - 1]))
				line = report_format_string(r, "%s, %s", line, others[i]);
		if (r->o.note)
			r->o.note(r->o.note_arg, line);
	}
	free(others);
	return 0;
}

int report_find_label_units(struct report *r)
{
	int err = 0;

	for (size_t i = 0; i < r->p->n_samples; i++)
		for (uint32_t k = 0; k < r->p->samples[i].n_labels; k++) {
			const struct profile_label *l = &r->p->samples[i].labels[k];
			struct report_label_unit *u;

			if (l->str)
				continue;
			if (!find_unit(r, l->key) && add_unit(r, l->key))
				return -ENOMEM;
			u = find_unit(r, l->key);
			if (!*u->unit)
				u->unit = l->unit;
		}
	if (r->n_label_units)
		qsort(r->label_units, r->n_label_units, sizeof(*r->label_units), by_unit_key);
	for (uint32_t i = 0; i < r->n_label_units && !err; i++) {
		struct report_label_unit *u = &r->label_units[i];

		if (*u->unit)
			err = note_other_units(r, u);
		else if (!strcmp(u->key, "alignment") || !strcmp(u->key, "request"))
			u->unit = "bytes";
		else
			u->unit = u->key;
	}
	return err;
}

/* --- granularity ------------------------------------------------------------------------------------- */

/* What a frame keeps of itself. */
struct parts {
	bool function, file, line, address;
};

static const struct parts granularities[] = {
	[REPORT_FUNCTIONS] = { .function = true },
	[REPORT_FILEFUNCTIONS] = { .function = true, .file = true },
	[REPORT_FILES] = { .file = true },
	[REPORT_LINES] = { .function = true, .file = true, .line = true },
	[REPORT_ADDRESSES] = { .function = true, .file = true, .line = true, .address = true },
};

static void blank_functions(struct report *r, const struct parts *keep)
{
	for (size_t i = 0; i < r->p->n_functions; i++) {
		if (!keep->function)
			r->p->functions[i].name = r->p->functions[i].system_name = "";
		if (!keep->file)
			r->p->functions[i].filename = "";
	}
}

static int blank_location(struct report *r, const struct parts *keep, struct profile_location *l)
{
	struct profile_line *lines;

	if (r->o.noinlines && l->n_lines > 1) {
		l->lines += l->n_lines - 1;
		l->n_lines = 1;
	}
	if (!keep->address)
		l->address = 0;
	if (keep->line || !l->n_lines)
		return 0;
	lines = copy_table(r->p, l->lines, l->n_lines, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	l->lines = lines;
	for (uint32_t i = 0; i < l->n_lines; i++)
		lines[i].line = 0;
	return 0;
}

int report_aggregate(struct report *r)
{
	const struct parts *keep = &granularities[r->o.granularity];
	int err = 0;

	if (keep->address && !r->o.noinlines)
		return 0;
	blank_functions(r, keep);
	for (size_t i = 0; i < r->p->n_locations && !err; i++)
		err = blank_location(r, keep, &r->p->locations[i]);
	return err;
}
