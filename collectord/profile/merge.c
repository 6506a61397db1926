/* collectord/profile/merge.c - see merge.h.
 *
 * Labels of a merged sample come in order: strings before numbers, by key, values of one key as they were. */
#include "collectord/profile/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/report_format.h"

#define MAPPING_ROUNDING 0x1000

struct merger {
	struct profile *to;
	const struct profile *from;
	struct index locations, samples;
	uint32_t *function_of, *mapping_of, *location_of; /* of `from`, or PROFILE_NONE: not yet */
	uint64_t *shift_of;                               /* per mapping: what to add to addresses */
	size_t location_room, sample_room;
	/* The entry being looked for. */
	struct profile_location location;
	struct profile_sample sample;
};

/* --- functions and mappings -------------------------------------------------------------------------- */

static uint32_t map_function(struct merger *m, uint32_t i)
{
	const struct profile_function *f = &m->from->functions[i];

	if (m->function_of[i] == PROFILE_NONE)
		m->function_of[i] =
			profile_add_function(m->to, f->name, f->system_name, f->filename, f->start_line);
	return m->function_of[i];
}

static uint64_t rounded_size(const struct profile_mapping *m)
{
	uint64_t size = m->limit - m->start + MAPPING_ROUNDING - 1;

	return size - size % MAPPING_ROUNDING;
}

static bool same_mapping(const struct profile_mapping *a, const struct profile_mapping *b)
{
	const char *a_id = *a->build_id ? a->build_id : a->file, *b_id = *b->build_id ? b->build_id : b->file;

	return rounded_size(a) == rounded_size(b) && a->offset == b->offset && !strcmp(a_id, b_id);
}

/* Mappings are few: looked up one by one. */
static int map_mapping(struct merger *m, uint32_t i)
{
	const struct profile_mapping *from = &m->from->mappings[i];
	uint32_t at = 0;

	if (m->mapping_of[i] != PROFILE_NONE)
		return 0;
	while (at < m->to->n_mappings && !same_mapping(&m->to->mappings[at], from))
		at++;
	if (at == m->to->n_mappings && profile_add_mapping(m->to, from) == PROFILE_NONE)
		return -ENOMEM;
	m->mapping_of[i] = at;
	m->shift_of[i] = m->to->mappings[at].start - from->start;
	return 0;
}

/* --- locations --------------------------------------------------------------------------------------- */

static uint64_t location_hash(const struct profile_location *l)
{
	uint64_t h = hash_word(l->mapping, l->address) + l->is_folded;

	for (uint32_t i = 0; i < l->n_lines; i++)
		h = hash_word(hash_word(h, l->lines[i].function), (uint64_t)l->lines[i].line);
	return h;
}

static bool same_location(const void *ctx, uint32_t entry)
{
	const struct merger *m = ctx;
	const struct profile_location *a = &m->to->locations[entry], *b = &m->location;

	if (a->mapping != b->mapping || a->address != b->address || a->is_folded != b->is_folded ||
	    a->n_lines != b->n_lines)
		return false;
	for (uint32_t i = 0; i < a->n_lines; i++)
		if (a->lines[i].function != b->lines[i].function || a->lines[i].line != b->lines[i].line)
			return false;
	return true;
}

static int fill_location(struct merger *m, const struct profile_location *from)
{
	struct profile_location *l = &m->location;

	*l = *from;
	if (from->mapping != PROFILE_NONE) {
		if (map_mapping(m, from->mapping))
			return -ENOMEM;
		l->mapping = m->mapping_of[from->mapping];
		l->address += m->shift_of[from->mapping];
	}
	l->lines = profile_alloc(m->to, from->n_lines, sizeof(*l->lines));
	if (!l->lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->n_lines; i++) {
		l->lines[i].line = from->lines[i].line;
		l->lines[i].function = map_function(m, from->lines[i].function);
		if (l->lines[i].function == PROFILE_NONE)
			return -ENOMEM;
	}
	return 0;
}

static uint32_t map_location(struct merger *m, uint32_t i)
{
	uint64_t hash;
	uint32_t at;

	if (m->location_of[i] != PROFILE_NONE)
		return m->location_of[i];
	if (fill_location(m, &m->from->locations[i]))
		return PROFILE_NONE;
	hash = location_hash(&m->location);
	at = index_find(&m->locations, hash, same_location, m);
	if (at == ARENA_NONE) {
		at = (uint32_t)m->to->n_locations;
		if (!profile_reserve(m->to, &m->to->locations, at, &m->location_room, sizeof(m->location)) ||
		    !index_add(&m->locations, hash, at))
			return PROFILE_NONE;
		m->to->locations[m->to->n_locations++] = m->location;
	}
	m->location_of[i] = at;
	return at;
}

/* --- samples ----------------------------------------------------------------------------------------- */

static bool is_zero(const struct profile *p, const struct profile_sample *s)
{
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (s->values[i])
			return false;
	return true;
}

static int label_order(const struct profile_label *a, const struct profile_label *b)
{
	if (!a->str != !b->str)
		return a->str ? -1 : 1;
	return strcmp(a->key, b->key);
}

/* Strings of the target are interned: labels compare by pointers. */
static int fill_labels(struct merger *m, const struct profile_sample *from)
{
	struct profile_sample *s = &m->sample;

	s->labels = profile_alloc(m->to, from->n_labels, sizeof(*s->labels));
	if (!s->labels)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->n_labels; i++) {
		struct profile_label l = from->labels[i];
		uint32_t at = i;

		l.key = profile_string(m->to, l.key);
		l.unit = profile_string(m->to, l.unit ? l.unit : "");
		l.str = l.str ? profile_string(m->to, l.str) : NULL;
		if (!l.key || !l.unit || (from->labels[i].str && !l.str))
			return -ENOMEM;
		for (; at && label_order(&s->labels[at - 1], &l) > 0; at--)
			s->labels[at] = s->labels[at - 1];
		s->labels[at] = l;
	}
	s->n_labels = from->n_labels;
	return 0;
}

static uint64_t sample_hash(const struct profile_sample *s)
{
	uint64_t h = s->n_locations;

	for (uint32_t i = 0; i < s->n_locations; i++)
		h = hash_word(h, s->locations[i]);
	for (uint32_t i = 0; i < s->n_labels; i++) {
		h = hash_word(hash_word(h, (uintptr_t)s->labels[i].key), (uintptr_t)s->labels[i].str);
		h = hash_word(h, (uint64_t)s->labels[i].num);
	}
	return h;
}

static bool same_sample(const void *ctx, uint32_t entry)
{
	const struct merger *m = ctx;
	const struct profile_sample *a = &m->to->samples[entry], *b = &m->sample;

	if (a->n_locations != b->n_locations || a->n_labels != b->n_labels ||
	    (a->n_locations && memcmp(a->locations, b->locations, a->n_locations * sizeof(*a->locations))))
		return false;
	for (uint32_t i = 0; i < a->n_labels; i++)
		if (a->labels[i].key != b->labels[i].key || a->labels[i].str != b->labels[i].str ||
		    a->labels[i].num != b->labels[i].num || a->labels[i].unit != b->labels[i].unit)
			return false;
	return true;
}

/* Variances and what else a snapshot knows add up; where one's are unknown, the sum's are. */
static int add_sample(struct merger *m, struct profile_sample *to, const struct profile_sample *from)
{
	for (size_t i = 0; i < m->to->n_sample_types; i++)
		to->values[i] = report_add(to->values[i], from->values[i]);
	if (!from->variance)
		to->variance = NULL;
	for (size_t i = 0; to->variance && i < m->to->n_sample_types; i++)
		to->variance[i] += from->variance[i];
	if (!from->extra)
		to->extra = NULL;
	return to->extra ? profile_extra_add(m->to, to->extra, from->extra) : 0;
}

static int append_sample(struct merger *m, const struct profile_sample *from, uint64_t hash)
{
	struct profile *p = m->to;
	size_t n = p->n_sample_types;

	m->sample.values = profile_alloc(p, n, sizeof(*m->sample.values));
	if (!m->sample.values ||
	    !profile_reserve(p, &p->samples, p->n_samples, &m->sample_room, sizeof(*p->samples)) ||
	    !index_add(&m->samples, hash, (uint32_t)p->n_samples))
		return -ENOMEM;
	memcpy(m->sample.values, from->values, n * sizeof(*from->values));
	if (from->variance) {
		m->sample.variance = profile_alloc(p, n, sizeof(*from->variance));
		if (!m->sample.variance)
			return -ENOMEM;
		memcpy(m->sample.variance, from->variance, n * sizeof(*from->variance));
	}
	if (from->extra) {
		m->sample.extra = profile_alloc(p, 1, sizeof(*from->extra));
		if (!m->sample.extra || profile_extra_add(p, m->sample.extra, from->extra))
			return -ENOMEM;
	}
	p->samples[p->n_samples++] = m->sample;
	return 0;
}

static int map_sample(struct merger *m, const struct profile_sample *from)
{
	struct profile_sample *s = &m->sample;
	uint64_t hash;
	uint32_t at;

	*s = *from;
	s->variance = NULL;
	s->extra = NULL;
	s->locations = profile_alloc(m->to, from->n_locations, sizeof(*s->locations));
	if (!s->locations)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->n_locations; i++) {
		s->locations[i] = map_location(m, from->locations[i]);
		if (s->locations[i] == PROFILE_NONE)
			return -ENOMEM;
	}
	if (fill_labels(m, from))
		return -ENOMEM;
	hash = sample_hash(s);
	at = index_find(&m->samples, hash, same_sample, m);
	if (at == ARENA_NONE)
		return append_sample(m, from, hash);
	return add_sample(m, &m->to->samples[at], from);
}

/* --- one profile after the other --------------------------------------------------------------------- */

static uint32_t *unmapped(size_t n)
{
	uint32_t *all = malloc((n + 1) * sizeof(*all));

	if (all)
		memset(all, 0xff, (n + 1) * sizeof(*all));
	return all;
}

static int map_profile(struct merger *m, const struct profile *from)
{
	int r = 0;

	m->from = from;
	m->function_of = unmapped(from->n_functions);
	m->mapping_of = unmapped(from->n_mappings);
	m->location_of = unmapped(from->n_locations);
	m->shift_of = calloc(from->n_mappings + 1, sizeof(*m->shift_of));
	if (!m->function_of || !m->mapping_of || !m->location_of || !m->shift_of)
		r = -ENOMEM;
	if (!r && !m->to->n_mappings && from->n_mappings)
		r = map_mapping(m, 0);
	for (size_t i = 0; i < from->n_samples && !r; i++)
		if (!is_zero(from, &from->samples[i]))
			r = map_sample(m, &from->samples[i]);
	free(m->function_of);
	free(m->mapping_of);
	free(m->location_of);
	free(m->shift_of);
	return r;
}

static int merge_once(struct profile *const *from, size_t n, struct profile **ret)
{
	struct merger m = { .to = profile_new() };
	int r = m.to ? profile_merge_heads(m.to, from, n) : -ENOMEM;

	for (size_t i = 0; i < n && !r; i++)
		r = map_profile(&m, from[i]);
	index_done(&m.locations);
	index_done(&m.samples);
	if (r)
		profile_free(m.to);
	else
		*ret = m.to;
	return r;
}

static bool has_zeros(const struct profile *p)
{
	for (size_t i = 0; i < p->n_samples; i++)
		if (is_zero(p, &p->samples[i]))
			return true;
	return false;
}

int profile_merge(struct profile *const *from, size_t n, struct profile **ret, struct fault *f)
{
	struct profile *once = NULL, *again = NULL;
	int r = profile_same_units(from, n, f);

	if (!r)
		r = merge_once(from, n, &once);
	while (!r && has_zeros(once)) { /* what cancelled out goes, with what only it used */
		r = merge_once(&once, 1, &again);
		profile_free(once);
		once = r ? NULL : again;
	}
	if (!r)
		*ret = once;
	return r == -ENOMEM ? fault_set(f, r, "out of memory while merging profiles") : r;
}
