/* collectord/profile/pprof_encode.c - the profile model to gzip'ed profile.proto; see pprof.h.
 *
 * The message tree is built in an arena of its own and packed by protobuf-c.  Strings enter the table in order of
 * first use; bytes that are not UTF-8 become U+FFFD there, because some readers refuse the whole file otherwise.
 * The gzip member carries no time, so equal profiles give equal files. */
#include "collectord/profile/pprof.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/utf8.h"
#include "profile.pb-c.h"

struct encoder {
	struct arena memory;
	struct strings strings;
	bool failed; /* out of memory somewhere: checked once, at the end */
};

static void *take(struct encoder *e, size_t n, size_t size)
{
	size_t bytes;
	void *p = __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_alloc(&e->memory, bytes);

	e->failed |= !p;
	return p;
}

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static const char *as_utf8(struct encoder *e, const char *s)
{
	size_t n = strlen(s), i = 0;
	char *fixed, *out;

	while (i < n && utf8_length(s + i, n - i))
		i += utf8_length(s + i, n - i);
	if (i == n)
		return s;
	out = fixed = take(e, n + 1, 3);
	if (!fixed)
		return "";
	for (i = 0; i < n;) {
		unsigned len = utf8_length(s + i, n - i);

		memcpy(out, len ? s + i : REPLACEMENT, len ? len : 3);
		out += len ? len : 3;
		i += len ? len : 1;
	}
	return fixed;
}

static int64_t str(struct encoder *e, const char *s)
{
	const char *t = as_utf8(e, s);
	uint32_t i = strings_add(&e->strings, t, strlen(t));

	e->failed |= i == ARENA_NONE;
	return i;
}

/* An array of `n` initialised messages of one type, and of pointers to them, as protobuf-c wants them. */
#define MESSAGES(e, n, type, init, ret)                               \
	do {                                                          \
		type *all_ = take(e, n, sizeof(type));                \
		(ret) = take(e, n, sizeof(type *));                   \
		for (size_t i_ = 0; !(e)->failed && i_ < (n); i_++) { \
			init(&all_[i_]);                              \
			(ret)[i_] = &all_[i_];                        \
		}                                                     \
	} while (0)

static void put_value_type(struct encoder *e, Perftools__Profiles__ValueType *m, const struct profile_value_type *t)
{
	m->type = str(e, t->type);
	m->unit = str(e, t->unit);
}

static void put_labels(struct encoder *e, Perftools__Profiles__Sample *m, const struct profile_sample *s)
{
	m->n_label = s->n_labels;
	MESSAGES(e, m->n_label, Perftools__Profiles__Label, perftools__profiles__label__init, m->label);
	for (uint32_t i = 0; !e->failed && i < s->n_labels; i++) {
		m->label[i]->key = str(e, s->labels[i].key);
		m->label[i]->str = s->labels[i].str ? str(e, s->labels[i].str) : 0;
		m->label[i]->num = s->labels[i].num;
		m->label[i]->num_unit = s->labels[i].str ? 0 : str(e, s->labels[i].unit);
	}
}

static void put_samples(struct encoder *e, Perftools__Profiles__Profile *m, const struct profile *p)
{
	m->n_sample = p->n_samples;
	MESSAGES(e, m->n_sample, Perftools__Profiles__Sample, perftools__profiles__sample__init, m->sample);
	for (size_t i = 0; !e->failed && i < p->n_samples; i++) {
		const struct profile_sample *s = &p->samples[i];
		Perftools__Profiles__Sample *to = m->sample[i];

		to->n_location_id = s->n_locations;
		to->location_id = take(e, s->n_locations, sizeof(*to->location_id));
		for (uint32_t k = 0; to->location_id && k < s->n_locations; k++)
			to->location_id[k] = (uint64_t)s->locations[k] + 1;
		to->n_value = p->n_sample_types;
		to->value = s->values; /* packed, never changed */
		put_labels(e, to, s);
	}
}

static void put_mappings(struct encoder *e, Perftools__Profiles__Profile *m, const struct profile *p)
{
	m->n_mapping = p->n_mappings;
	MESSAGES(e, m->n_mapping, Perftools__Profiles__Mapping, perftools__profiles__mapping__init, m->mapping);
	for (size_t i = 0; !e->failed && i < p->n_mappings; i++) {
		const struct profile_mapping *from = &p->mappings[i];
		Perftools__Profiles__Mapping *to = m->mapping[i];

		to->id = i + 1;
		to->memory_start = from->start;
		to->memory_limit = from->limit;
		to->file_offset = from->offset;
		to->filename = str(e, from->file);
		to->build_id = str(e, from->build_id);
		to->has_functions = from->has_functions;
		to->has_filenames = from->has_filenames;
		to->has_line_numbers = from->has_line_numbers;
		to->has_inline_frames = from->has_inline_frames;
	}
}

static void put_locations(struct encoder *e, Perftools__Profiles__Profile *m, const struct profile *p)
{
	m->n_location = p->n_locations;
	MESSAGES(e, m->n_location, Perftools__Profiles__Location, perftools__profiles__location__init, m->location);
	for (size_t i = 0; !e->failed && i < p->n_locations; i++) {
		const struct profile_location *from = &p->locations[i];
		Perftools__Profiles__Location *to = m->location[i];

		to->id = i + 1;
		to->mapping_id = from->mapping == PROFILE_NONE ? 0 : (uint64_t)from->mapping + 1;
		to->address = from->address;
		to->is_folded = from->is_folded;
		to->n_line = from->n_lines;
		MESSAGES(e, to->n_line, Perftools__Profiles__Line, perftools__profiles__line__init, to->line);
		for (uint32_t k = 0; !e->failed && k < from->n_lines; k++) {
			to->line[k]->function_id = (uint64_t)from->lines[k].function + 1;
			to->line[k]->line = from->lines[k].line;
		}
	}
}

static void put_functions(struct encoder *e, Perftools__Profiles__Profile *m, const struct profile *p)
{
	m->n_function = p->n_functions;
	MESSAGES(e, m->n_function, Perftools__Profiles__Function, perftools__profiles__function__init, m->function);
	for (size_t i = 0; !e->failed && i < p->n_functions; i++) {
		m->function[i]->id = i + 1;
		m->function[i]->name = str(e, p->functions[i].name);
		m->function[i]->system_name = str(e, p->functions[i].system_name);
		m->function[i]->filename = str(e, p->functions[i].filename);
		m->function[i]->start_line = p->functions[i].start_line;
	}
}

static void put_head(struct encoder *e, Perftools__Profiles__Profile *m, const struct profile *p)
{
	Perftools__Profiles__ValueType *period = take(e, 1, sizeof(*period));

	m->n_sample_type = p->n_sample_types;
	MESSAGES(e, m->n_sample_type, Perftools__Profiles__ValueType, perftools__profiles__value_type__init,
		 m->sample_type);
	m->n_comment = p->n_comments;
	m->comment = take(e, p->n_comments, sizeof(*m->comment));
	if (e->failed)
		return;
	for (size_t i = 0; i < p->n_sample_types; i++)
		put_value_type(e, m->sample_type[i], &p->sample_types[i]);
	for (size_t i = 0; i < p->n_comments; i++)
		m->comment[i] = str(e, p->comments[i]);
	perftools__profiles__value_type__init(period);
	put_value_type(e, period, &p->period_type);
	if (period->type || period->unit)
		m->period_type = period;
	m->period = p->period;
	m->time_nanos = p->time_nanos;
	m->duration_nanos = p->duration_nanos;
	m->drop_frames = str(e, p->drop_frames);
	m->keep_frames = str(e, p->keep_frames);
	m->default_sample_type = str(e, p->default_sample_type);
	m->doc_url = str(e, p->doc_url);
}

/* One gzip member, zero mtime (zlib's default header). */
static int compress_gzip(const void *in, size_t n, void **ret_buf, size_t *ret_len)
{
	z_stream z = { .next_in = (void *)(uintptr_t)in, .avail_in = (uInt)n };
	size_t size;
	void *out;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	size = deflateBound(&z, (uLong)n);
	out = malloc(size);
	if (out) {
		z.next_out = out;
		z.avail_out = (uInt)size;
		deflate(&z, Z_FINISH); /* ends in one call: the output has room for the bound */
		*ret_buf = out;
		*ret_len = size - z.avail_out;
	}
	deflateEnd(&z);
	return out ? 0 : -ENOMEM;
}

static int pack(const Perftools__Profiles__Profile *m, void **ret_buf, size_t *ret_len)
{
	size_t n = perftools__profiles__profile__get_packed_size(m);
	uint8_t *raw;
	int r;

	if (n > INT_MAX) /* protobuf's own limit, and what one deflate() call takes */
		return -EFBIG;
	raw = malloc(n + 1);
	if (!raw)
		return -ENOMEM;
	perftools__profiles__profile__pack(m, raw);
	r = compress_gzip(raw, n, ret_buf, ret_len);
	free(raw);
	return r;
}

int pprof_encode(const struct profile *p, void **ret_buf, size_t *ret_len)
{
	Perftools__Profiles__Profile m = PERFTOOLS__PROFILES__PROFILE__INIT;
	struct encoder e = { 0 };
	int r = -ENOMEM;

	e.strings.arena = &e.memory;
	str(&e, ""); /* entry 0 */
	put_head(&e, &m, p);
	put_samples(&e, &m, p);
	put_mappings(&e, &m, p);
	put_locations(&e, &m, p);
	put_functions(&e, &m, p);
	if (!e.failed) {
		m.n_string_table = e.strings.n;
		m.string_table = (char **)(uintptr_t)e.strings.at; /* packed, never changed */
		r = pack(&m, ret_buf, ret_len);
	}
	strings_done(&e.strings);
	arena_done(&e.memory);
	return r;
}
