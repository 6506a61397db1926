/* collectord/profile/encode_speedscope.c - speedscope's file format, one sampled profile per sample type; see
 * encode.h.
 *
 * Schema: https://www.speedscope.app/file-format-schema.json.  A frame is a function in a file, without a line: the
 * viewer takes every entry of the table for a function of its own, so the lines of calls would tear them apart. */
#include "collectord/profile/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/encode_frame.h"
#include "collectord/profile/encode_json.h"
#include "collectord/profile/json_parts.h"

struct speedscope_frame {
	uint32_t name, file; /* in texts */
};

struct speedscope {
	const struct profile *p;
	struct encode_json json;
	struct arena memory;
	struct strings texts;
	struct speedscope_frame *frames; /* malloc'ed */
	uint32_t n_frames;
	size_t room;
	struct index by_text;
	uint32_t **frame_numbers; /* of each location's lines */
	bool failed;
};

struct frame_key {
	const struct speedscope *s;
	struct speedscope_frame frame;
};

static bool same_frame(const void *ctx, uint32_t entry)
{
	const struct frame_key *k = ctx;

	return k->s->frames[entry].name == k->frame.name && k->s->frames[entry].file == k->frame.file;
}

static uint32_t add_frame(struct speedscope *s, struct speedscope_frame frame)
{
	const struct frame_key key = { s, frame };
	uint64_t hash = hash_word(frame.name, frame.file);
	uint32_t found = index_find(&s->by_text, hash, same_frame, &key);

	if (found != ARENA_NONE)
		return found;
	if (!table_reserve(&s->frames, s->n_frames, &s->room, sizeof(*s->frames)) ||
	    !index_add(&s->by_text, hash, s->n_frames))
		return ARENA_NONE;
	s->frames[s->n_frames] = frame;
	return s->n_frames++;
}

static uint32_t number_of(struct speedscope *s, const struct encode_frame *frame)
{
	char *name = encode_frame_name(frame);
	struct speedscope_frame key = { ARENA_NONE, ARENA_NONE };
	uint32_t ret = ARENA_NONE;

	if (name) {
		key.name = strings_add(&s->texts, name, strlen(name));
		key.file = strings_add(&s->texts, frame->file, strlen(frame->file));
	}
	free(name);
	if (key.name != ARENA_NONE && key.file != ARENA_NONE)
		ret = add_frame(s, key);
	s->failed |= ret == ARENA_NONE;
	return ret;
}

static void number_frames(struct speedscope *s)
{
	const struct profile *p = s->p;

	s->frame_numbers = arena_alloc(&s->memory, (p->n_locations + 1) * sizeof(*s->frame_numbers));
	s->failed = !s->frame_numbers;
	for (size_t i = 0; i < p->n_locations && !s->failed; i++) {
		uint32_t n = encode_frames(&p->locations[i]);
		uint32_t *at = arena_alloc(&s->memory, n * sizeof(*at));

		s->failed = !at;
		s->frame_numbers[i] = at;
		for (uint32_t k = 0; k < n && !s->failed; k++) {
			const struct encode_frame frame = encode_frame_at(p, &p->locations[i], k);

			at[k] = number_of(s, &frame);
		}
	}
}

static void put_frames(struct speedscope *s)
{
	struct encode_json *j = &s->json;

	encode_json_key(j, "shared");
	encode_json_open(j, '{');
	encode_json_key(j, "frames");
	encode_json_open(j, '[');
	for (uint32_t i = 0; i < s->n_frames; i++) {
		const char *file = s->texts.at[s->frames[i].file];
		json_t *frame = json_pack("{s:o}", "name", json_text(s->texts.at[s->frames[i].name]));

		if (*file && frame && json_object_set_new(frame, "file", json_text(file)))
			j->failed = true;
		encode_json_value(j, frame);
	}
	encode_json_close(j, ']');
	encode_json_close(j, '}');
}

/* The units the format knows. */
static const char *unit_of(const char *unit)
{
	static const char *const known[] = { "bytes", "nanoseconds", "microseconds", "milliseconds", "seconds" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(unit, known[i]))
			return known[i];
	return "none";
}

static void put_stack(struct speedscope *s, const struct profile_sample *sample)
{
	encode_json_open(&s->json, '[');
	for (uint32_t i = sample->n_locations; i-- > 0;) {
		const uint32_t location = sample->locations[i];

		for (uint32_t k = encode_frames(&s->p->locations[location]); k-- > 0;)
			encode_json_number(&s->json, s->frame_numbers[location][k]);
	}
	encode_json_close(&s->json, ']');
}

static int64_t total_of(const struct profile *p, size_t type)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		if (__builtin_add_overflow(sum, p->samples[i].values[type], &sum))
			return INT64_MAX;
	return sum;
}

static void put_profile(struct speedscope *s, size_t type)
{
	const struct profile *p = s->p;
	struct encode_json *j = &s->json;

	encode_json_open(j, '{');
	encode_json_member(j, "type", json_string("sampled"));
	encode_json_member(j, "name", json_text(p->sample_types[type].type));
	encode_json_member(j, "unit", json_string(unit_of(p->sample_types[type].unit)));
	encode_json_member(j, "startValue", json_integer(0));
	encode_json_member(j, "endValue", json_integer(total_of(p, type)));
	encode_json_key(j, "samples");
	encode_json_open(j, '[');
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->samples[i].values[type])
			put_stack(s, &p->samples[i]);
	encode_json_close(j, ']');
	encode_json_key(j, "weights");
	encode_json_open(j, '[');
	for (size_t i = 0; i < p->n_samples; i++)
		if (p->samples[i].values[type])
			encode_json_number(j, p->samples[i].values[type]);
	encode_json_close(j, ']');
	encode_json_close(j, '}');
}

static void put_all(struct speedscope *s)
{
	const struct profile *p = s->p;
	struct encode_json *j = &s->json;

	encode_json_open(j, '{');
	encode_json_member(j, "$schema", json_string("https://www.speedscope.app/file-format-schema.json"));
	encode_json_member(j, "exporter", json_string("heaptap " HEAPTAP_VERSION));
	if (p->origin)
		encode_json_member(j, "name", json_text(p->origin->cmdline));
	encode_json_member(j, "activeProfileIndex", json_integer((json_int_t)profile_default_type(p)));
	put_frames(s);
	encode_json_key(j, "profiles");
	encode_json_open(j, '[');
	for (size_t t = 0; t < p->n_sample_types; t++)
		put_profile(s, t);
	encode_json_close(j, ']');
	encode_json_close(j, '}');
	fputc('\n', j->out);
}

int speedscope_encode(const struct profile *p, FILE *out, struct fault *f)
{
	struct speedscope s = { .p = p, .json = { .out = out } };
	int r = encode_no_negatives(p, "speedscope", f);

	if (r)
		return r;
	s.texts.arena = &s.memory;
	number_frames(&s);
	if (!s.failed)
		put_all(&s);
	strings_done(&s.texts);
	index_done(&s.by_text);
	free(s.frames);
	arena_done(&s.memory);
	return s.failed || s.json.failed ? -ENOMEM : 0;
}
