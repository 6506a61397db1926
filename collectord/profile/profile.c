/* collectord/profile/profile.c - the profile model's builders; see profile.h.
 *
 * Tables grow by doubling inside the arena.  The indexes that make equal functions and locations one catch up with
 * their tables before each lookup, so a codec may also fill a table directly (a decoded file can hold two
 * locations with one address) and builders still work afterwards. */
#include "collectord/profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"

struct profile_arena {
	struct arena memory;
	struct strings strings;
	struct index functions, locations;
	size_t cap_sample_types, cap_samples, cap_mappings, cap_locations, cap_functions;
};

struct profile *profile_new(void)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->arena = calloc(1, sizeof(*p->arena));
	if (!p->arena) {
		free(p);
		return NULL;
	}
	p->arena->strings.arena = &p->arena->memory;
	p->drop_frames = p->keep_frames = p->default_sample_type = p->doc_url = "";
	p->period_type = (struct profile_value_type){ "", "" };
	return p;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	strings_done(&p->arena->strings);
	index_done(&p->arena->functions);
	index_done(&p->arena->locations);
	arena_done(&p->arena->memory);
	free(p->arena);
	free(p);
}

const char *profile_string_n(struct profile *p, const char *s, size_t n)
{
	uint32_t i = strings_add(&p->arena->strings, s, n);

	return i == ARENA_NONE ? NULL : p->arena->strings.at[i];
}

const char *profile_string(struct profile *p, const char *s)
{
	return profile_string_n(p, s, strlen(s));
}

void *profile_alloc(struct profile *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return arena_alloc(&p->arena->memory, bytes);
}

bool profile_reserve(struct profile *p, void *table, size_t n, size_t *cap, size_t size)
{
	void *old, *grown;
	size_t want = n < 16 ? 32 : 2 * n;

	if (n < *cap)
		return true;
	if (n >= PROFILE_NONE)
		return false;
	grown = profile_alloc(p, want, size);
	if (!grown)
		return false;
	memcpy(&old, table, sizeof(old));
	if (n)
		memcpy(grown, old, n * size);
	memcpy(table, &grown, sizeof(grown));
	*cap = want;
	return true;
}

uint32_t profile_add_sample_type(struct profile *p, const char *type, const char *unit)
{
	struct profile_value_type t = { profile_string(p, type), profile_string(p, unit) };

	if (!t.type || !t.unit ||
	    !profile_reserve(p, &p->sample_types, p->n_sample_types, &p->arena->cap_sample_types, sizeof(t)))
		return PROFILE_NONE;
	p->sample_types[p->n_sample_types] = t;
	return (uint32_t)p->n_sample_types++;
}

uint32_t profile_add_mapping(struct profile *p, const struct profile_mapping *m)
{
	struct profile_mapping copy = *m;

	copy.file = profile_string(p, m->file);
	copy.build_id = profile_string(p, m->build_id);
	if (!copy.file || !copy.build_id ||
	    !profile_reserve(p, &p->mappings, p->n_mappings, &p->arena->cap_mappings, sizeof(copy)))
		return PROFILE_NONE;
	p->mappings[p->n_mappings] = copy;
	return (uint32_t)p->n_mappings++;
}

static uint64_t function_hash(const struct profile_function *f)
{
	uint64_t h = hash_word(0, (uintptr_t)f->name);

	h = hash_word(h, (uintptr_t)f->system_name);
	h = hash_word(h, (uintptr_t)f->filename);
	return hash_word(h, (uint64_t)f->start_line);
}

struct function_key {
	const struct profile *p;
	struct profile_function f;
};

static bool same_function(const void *ctx, uint32_t entry)
{
	const struct function_key *k = ctx;
	const struct profile_function *f = &k->p->functions[entry];

	return f->name == k->f.name && f->system_name == k->f.system_name && f->filename == k->f.filename &&
	       f->start_line == k->f.start_line;
}

static bool index_functions(struct profile *p)
{
	struct index *ix = &p->arena->functions;

	while (ix->n < p->n_functions)
		if (!index_add(ix, function_hash(&p->functions[ix->n]), ix->n))
			return false;
	return true;
}

uint32_t profile_add_function(struct profile *p, const char *name, const char *system_name, const char *filename,
			      int64_t start_line)
{
	struct function_key key = { .p = p,
				    .f = { .name = profile_string(p, name),
					   .system_name = profile_string(p, system_name),
					   .filename = profile_string(p, filename),
					   .start_line = start_line } };
	uint32_t found;

	if (!key.f.name || !key.f.system_name || !key.f.filename || !index_functions(p))
		return PROFILE_NONE;
	found = index_find(&p->arena->functions, function_hash(&key.f), same_function, &key);
	if (found != ARENA_NONE)
		return found;
	if (!profile_reserve(p, &p->functions, p->n_functions, &p->arena->cap_functions, sizeof(key.f)))
		return PROFILE_NONE;
	p->functions[p->n_functions] = key.f;
	return (uint32_t)p->n_functions++;
}

struct location_key {
	const struct profile *p;
	uint32_t mapping;
	uint64_t address;
};

static uint64_t location_hash(uint32_t mapping, uint64_t address)
{
	return hash_word(hash_word(mapping, address), address >> 32);
}

static bool same_location(const void *ctx, uint32_t entry)
{
	const struct location_key *k = ctx;
	const struct profile_location *l = &k->p->locations[entry];

	return l->mapping == k->mapping && l->address == k->address;
}

static bool index_locations(struct profile *p)
{
	struct index *ix = &p->arena->locations;

	for (; ix->n < p->n_locations;) {
		const struct profile_location *l = &p->locations[ix->n];

		if (!index_add(ix, location_hash(l->mapping, l->address), ix->n))
			return false;
	}
	return true;
}

uint32_t profile_add_location(struct profile *p, uint32_t mapping, uint64_t address)
{
	struct location_key key = { .p = p, .mapping = mapping, .address = address };
	uint32_t found;

	if (!index_locations(p))
		return PROFILE_NONE;
	found = index_find(&p->arena->locations, location_hash(mapping, address), same_location, &key);
	if (found != ARENA_NONE)
		return found;
	if (!profile_reserve(p, &p->locations, p->n_locations, &p->arena->cap_locations, sizeof(*p->locations)))
		return PROFILE_NONE;
	p->locations[p->n_locations] = (struct profile_location){ .mapping = mapping, .address = address };
	return (uint32_t)p->n_locations++;
}

uint32_t profile_add_sample(struct profile *p, const uint32_t *locations, uint32_t n)
{
	struct profile_sample s = { .n_locations = n };

	s.locations = profile_alloc(p, n, sizeof(*s.locations));
	s.values = profile_alloc(p, p->n_sample_types, sizeof(*s.values));
	if (!s.locations || !s.values ||
	    !profile_reserve(p, &p->samples, p->n_samples, &p->arena->cap_samples, sizeof(s)))
		return PROFILE_NONE;
	if (n)
		memcpy(s.locations, locations, n * sizeof(*locations));
	p->samples[p->n_samples] = s;
	return (uint32_t)p->n_samples++;
}

uint32_t profile_find_type(const struct profile *p, const char *type)
{
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (!strcmp(p->sample_types[i].type, type))
			return (uint32_t)i;
	return PROFILE_NONE;
}

size_t profile_default_type(const struct profile *p)
{
	uint32_t i = profile_find_type(p, p->default_sample_type);

	if (i != PROFILE_NONE)
		return i;
	return p->n_sample_types ? p->n_sample_types - 1 : 0;
}
