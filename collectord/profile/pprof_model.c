/* collectord/profile/pprof_model.c - an unpacked profile.proto to the profile model; see pprof_model.h.
 *
 * Ids are any non-zero numbers in a file: an index per table turns them into positions.  What pprof itself accepts
 * is accepted (a mapping id that names nothing is "none"), what it calls malformed is refused. */
#include "collectord/profile/pprof_model.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "collectord/profile/arena.h"

struct decoder {
	const Perftools__Profiles__Profile *m;
	struct profile *p;
	struct fault *fault;
	struct index mappings, locations, functions; /* by id */
	const char **strings;                        /* interned */
};

static int malformed(struct decoder *d, const char *what, uint64_t which)
{
	return fault_set(d->fault, -EINVAL, "malformed profile (%s %" PRIu64 "): use another one", what, which);
}

/* The string with index `i`; NULL and `*r` set if there is none.  Once *r is set it stays. */
static const char *str(struct decoder *d, int64_t i, int *r)
{
	if (i >= 0 && (uint64_t)i < d->m->n_string_table)
		return d->strings[i];
	*r = malformed(d, "no string", (uint64_t)i);
	return "";
}

static int take_strings(struct decoder *d)
{
	size_t n = d->m->n_string_table;

	if (!n || d->m->string_table[0][0])
		return malformed(d, "first string is not empty, of", n);
	d->strings = profile_alloc(d->p, n, sizeof(*d->strings));
	if (!d->strings)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		d->strings[i] = profile_string(d->p, d->m->string_table[i]);
		if (!d->strings[i])
			return -ENOMEM;
	}
	return 0;
}

static bool same_mapping(const void *ctx, uint32_t entry)
{
	const struct decoder *d = ((const void *const *)ctx)[0];

	return d->m->mapping[entry]->id == *(const uint64_t *)((const void *const *)ctx)[1];
}

static bool same_location(const void *ctx, uint32_t entry)
{
	const struct decoder *d = ((const void *const *)ctx)[0];

	return d->m->location[entry]->id == *(const uint64_t *)((const void *const *)ctx)[1];
}

static bool same_function(const void *ctx, uint32_t entry)
{
	const struct decoder *d = ((const void *const *)ctx)[0];

	return d->m->function[entry]->id == *(const uint64_t *)((const void *const *)ctx)[1];
}

static uint32_t find_id(const struct decoder *d, const struct index *ix, index_same same, uint64_t id)
{
	const void *key[] = { d, &id };

	return index_find(ix, hash_word(0, id), same, key);
}

/* Most writers number tables from 1 on: then an id says where its entry is. */
static uint32_t find_function(const struct decoder *d, uint64_t id)
{
	if (id - 1 < d->m->n_function && d->m->function[id - 1]->id == id)
		return (uint32_t)(id - 1);
	return find_id(d, &d->functions, same_function, id);
}

static uint32_t find_location(const struct decoder *d, uint64_t id)
{
	if (id - 1 < d->m->n_location && d->m->location[id - 1]->id == id)
		return (uint32_t)(id - 1);
	return find_id(d, &d->locations, same_location, id);
}

static int add_id(struct decoder *d, struct index *ix, index_same same, uint64_t id, uint32_t entry,
		  const char *what)
{
	if (!id || find_id(d, ix, same, id) != ARENA_NONE)
		return malformed(d, what, id);
	return index_add(ix, hash_word(0, id), entry) ? 0 : -ENOMEM;
}

static int take_value_type(struct decoder *d, const Perftools__Profiles__ValueType *m, struct profile_value_type *t)
{
	int r = 0;

	t->type = str(d, m ? m->type : 0, &r);
	t->unit = str(d, m ? m->unit : 0, &r);
	return r;
}

static int take_head(struct decoder *d)
{
	const Perftools__Profiles__Profile *m = d->m;
	struct profile *p = d->p;
	int r = take_value_type(d, m->period_type, &p->period_type);

	p->sample_types = profile_alloc(p, m->n_sample_type, sizeof(*p->sample_types));
	p->comments = profile_alloc(p, m->n_comment, sizeof(*p->comments));
	if (!p->sample_types || !p->comments)
		return -ENOMEM;
	p->n_sample_types = m->n_sample_type;
	p->n_comments = m->n_comment;
	for (size_t i = 0; i < m->n_sample_type && !r; i++)
		r = take_value_type(d, m->sample_type[i], &p->sample_types[i]);
	for (size_t i = 0; i < m->n_comment && !r; i++)
		p->comments[i] = str(d, m->comment[i], &r);
	p->drop_frames = str(d, m->drop_frames, &r);
	p->keep_frames = str(d, m->keep_frames, &r);
	p->default_sample_type = str(d, m->default_sample_type, &r);
	p->doc_url = str(d, m->doc_url, &r);
	p->time_nanos = m->time_nanos;
	p->duration_nanos = m->duration_nanos;
	p->period = m->period;
	return r;
}

static int take_mappings(struct decoder *d)
{
	const Perftools__Profiles__Profile *m = d->m;
	struct profile *p = d->p;
	int r = 0;

	p->mappings = profile_alloc(p, m->n_mapping, sizeof(*p->mappings));
	if (!p->mappings)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_mapping && !r; i++) {
		const Perftools__Profiles__Mapping *from = m->mapping[i];

		r = add_id(d, &d->mappings, same_mapping, from->id, (uint32_t)i, "mapping id 0 or used twice:");
		p->mappings[i] = (struct profile_mapping){ .start = from->memory_start,
							   .limit = from->memory_limit,
							   .offset = from->file_offset,
							   .file = str(d, from->filename, &r),
							   .build_id = str(d, from->build_id, &r),
							   .has_functions = from->has_functions,
							   .has_filenames = from->has_filenames,
							   .has_line_numbers = from->has_line_numbers,
							   .has_inline_frames = from->has_inline_frames };
	}
	p->n_mappings = m->n_mapping;
	return r;
}

static int take_functions(struct decoder *d)
{
	const Perftools__Profiles__Profile *m = d->m;
	struct profile *p = d->p;
	int r = 0;

	p->functions = profile_alloc(p, m->n_function, sizeof(*p->functions));
	if (!p->functions)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_function && !r; i++) {
		const Perftools__Profiles__Function *from = m->function[i];

		r = add_id(d, &d->functions, same_function, from->id, (uint32_t)i, "function id 0 or used twice:");
		p->functions[i] = (struct profile_function){ .name = str(d, from->name, &r),
							     .system_name = str(d, from->system_name, &r),
							     .filename = str(d, from->filename, &r),
							     .start_line = from->start_line };
	}
	p->n_functions = m->n_function;
	return r;
}

static int take_lines(struct decoder *d, const Perftools__Profiles__Location *from, struct profile_location *to)
{
	to->lines = profile_alloc(d->p, from->n_line, sizeof(*to->lines));
	if (!to->lines)
		return -ENOMEM;
	to->n_lines = (uint32_t)from->n_line;
	for (size_t i = 0; i < from->n_line; i++) {
		to->lines[i].line = from->line[i]->line;
		to->lines[i].function = find_function(d, from->line[i]->function_id);
		if (to->lines[i].function == ARENA_NONE)
			return malformed(d, "a line names no function, in location", from->id);
	}
	return 0;
}

static int take_locations(struct decoder *d)
{
	const Perftools__Profiles__Profile *m = d->m;
	struct profile *p = d->p;
	int r = 0;

	p->locations = profile_alloc(p, m->n_location, sizeof(*p->locations));
	if (!p->locations)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_location && !r; i++) {
		const Perftools__Profiles__Location *from = m->location[i];
		struct profile_location *to = &p->locations[i];

		r = add_id(d, &d->locations, same_location, from->id, (uint32_t)i, "location id 0 or used twice:");
		to->mapping = find_id(d, &d->mappings, same_mapping, from->mapping_id);
		to->address = from->address;
		to->is_folded = from->is_folded;
		if (!r)
			r = take_lines(d, from, to);
	}
	p->n_locations = m->n_location;
	return r;
}

/* pprof's rules: a string label if it has a string, numeric if it has a number or a unit, else it is dropped. */
static int take_labels(struct decoder *d, const Perftools__Profiles__Sample *from, struct profile_sample *to)
{
	int r = 0;

	to->labels = profile_alloc(d->p, from->n_label, sizeof(*to->labels));
	if (!to->labels)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_label && !r; i++) {
		const Perftools__Profiles__Label *l = from->label[i];

		if (!l->str && !l->num && !l->num_unit)
			continue;
		to->labels[to->n_labels++] =
			(struct profile_label){ .key = str(d, l->key, &r),
						.str = l->str ? str(d, l->str, &r) : NULL,
						.num = l->str ? 0 : l->num,
						.unit = l->str ? "" : str(d, l->num_unit, &r) };
	}
	return r;
}

static int take_sample(struct decoder *d, const Perftools__Profiles__Sample *from, struct profile_sample *to)
{
	if (from->n_value != d->m->n_sample_type)
		return malformed(d, "a sample's number of values does not match the types:", from->n_value);
	to->locations = profile_alloc(d->p, from->n_location_id, sizeof(*to->locations));
	to->values = profile_alloc(d->p, from->n_value, sizeof(*to->values));
	if (!to->locations || !to->values)
		return -ENOMEM;
	if (from->n_value)
		memcpy(to->values, from->value, from->n_value * sizeof(*to->values));
	to->n_locations = (uint32_t)from->n_location_id;
	for (size_t i = 0; i < from->n_location_id; i++) {
		to->locations[i] = find_location(d, from->location_id[i]);
		if (to->locations[i] == ARENA_NONE)
			return malformed(d, "a sample names no location", from->location_id[i]);
	}
	return take_labels(d, from, to);
}

static int take_samples(struct decoder *d)
{
	struct profile *p = d->p;
	int r = 0;

	if (d->m->n_sample && !d->m->n_sample_type)
		return malformed(d, "no sample types for samples:", d->m->n_sample);
	p->samples = profile_alloc(p, d->m->n_sample, sizeof(*p->samples));
	if (!p->samples)
		return -ENOMEM;
	for (size_t i = 0; i < d->m->n_sample && !r; i++)
		r = take_sample(d, d->m->sample[i], &p->samples[i]);
	p->n_samples = d->m->n_sample;
	return r;
}

static int take_all(struct decoder *d)
{
	int r = take_strings(d);

	if (!r)
		r = take_head(d);
	if (!r)
		r = take_mappings(d);
	if (!r)
		r = take_functions(d);
	if (!r)
		r = take_locations(d);
	return r ? r : take_samples(d);
}

int pprof_to_model(const Perftools__Profiles__Profile *m, struct profile **ret, struct fault *f)
{
	struct decoder d = { .m = m, .fault = f, .p = profile_new() };
	int r = d.p ? take_all(&d) : -ENOMEM;

	index_done(&d.mappings);
	index_done(&d.locations);
	index_done(&d.functions);
	if (r)
		profile_free(d.p);
	else
		*ret = d.p;
	return r;
}
