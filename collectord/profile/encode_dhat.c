/* collectord/profile/encode_dhat.c - DHAT's file format, version 2, for valgrind's dh_view.html; see encode.h.
 *
 * One program point per stack, leaf first; the viewer refuses two with the same frames, so samples that differ in
 * their labels only are added up.  With a snapshot: at the end, at the global peak, and lifetimes, estimated from
 * their histogram and the ages of what is in use.  A stack's own maximum is not known: it was no less than the
 * larger of its values at the peak and at the end, and that is written. */
#include "collectord/profile/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/encode_frame.h"
#include "collectord/profile/encode_json.h"
#include "collectord/profile/json_parts.h"
#include "collectord/profile/snapshot.h"
#include "common/weight.h"

#define NS_PER_US 1000
#define US_PER_MS 1000
#define SHORT_LIVED_US 500 /* "tuth": what the viewer calls short-lived */

/* A program point: blocks and bytes in all, at the peak, at the end; microseconds lived by all blocks together. */
struct point {
	const struct profile_sample *sample; /* the first with these frames */
	double blocks, bytes, peak_blocks, peak_bytes, end_blocks, end_bytes, lived_us;
};

struct dhat {
	const struct profile *p;
	struct encode_json json;
	struct encode_heap types;
	bool with_times;
	struct point *points; /* malloc'ed */
	uint32_t n_points;
	struct index by_stack;
	uint32_t *first_frames; /* of each location, in the table of frames; malloc'ed */
};

static double objects(uint64_t count)
{
	return (int64_t)count > 0 ? (double)count / (1 << WEIGHT_COUNT_SHIFT) : 0;
}

static double bytes(uint64_t v)
{
	return (int64_t)v > 0 ? (double)v / (1 << WEIGHT_BYTES_SHIFT) : 0;
}

/* --- points ------------------------------------------------------------------------------------------ */

/* Freed objects lived, class by class, as long as the middle of what of the class the run was long enough for; the
 * others as long as they are old. */
static double lived_us(const struct profile_extra *x, double run_ms)
{
	const uint64_t *cell = x->lifetimes.cells;
	double ms = 0;

	for (unsigned c = 0; c < HISTOGRAM_MAX_CLASSES; c++) {
		double from = fmin((double)histogram_from(c), run_ms);

		if (histogram_has(&x->lifetimes, c))
			ms += objects(*cell++) * (from + fmin((double)histogram_from(c + 1), run_ms)) / 2;
	}
	return ms * US_PER_MS + (isfinite(x->ages_ns) && x->ages_ns > 0 ? x->ages_ns / NS_PER_US : 0);
}

static void add_sample(const struct dhat *d, struct point *to, const struct profile_sample *s)
{
	to->blocks += (double)s->values[d->types.alloc_objects];
	to->bytes += (double)s->values[d->types.alloc_space];
	if (!s->extra)
		return;
	to->peak_blocks += objects(s->extra->peak_count);
	to->peak_bytes += bytes(s->extra->peak_bytes);
	to->end_blocks += objects(s->extra->in_use_count);
	to->end_bytes += bytes(s->extra->in_use_bytes);
	if (d->with_times)
		to->lived_us += lived_us(s->extra, (double)d->p->origin->elapsed_ns / NS_PER_MS);
}

struct stack_key {
	const struct dhat *d;
	const struct profile_sample *s;
};

static bool same_stack(const void *ctx, uint32_t entry)
{
	const struct stack_key *k = ctx;
	const struct profile_sample *a = k->d->points[entry].sample, *b = k->s;

	return a->n_locations == b->n_locations &&
	       (!a->n_locations || !memcmp(a->locations, b->locations, a->n_locations * sizeof(*a->locations)));
}

static bool collect(struct dhat *d)
{
	const struct profile *p = d->p;

	d->points = calloc(p->n_samples + 1, sizeof(*d->points));
	for (size_t i = 0; d->points && i < p->n_samples; i++) {
		const struct stack_key key = { d, &p->samples[i] };
		uint64_t hash = key.s->n_locations;
		uint32_t at;

		for (uint32_t k = 0; k < key.s->n_locations; k++)
			hash = hash_word(hash, key.s->locations[k]);
		at = index_find(&d->by_stack, hash, same_stack, &key);
		if (at == ARENA_NONE) {
			at = d->n_points;
			if (!index_add(&d->by_stack, hash, at))
				return false;
			d->points[d->n_points++].sample = key.s;
		}
		add_sample(d, &d->points[at], key.s);
	}
	return d->points;
}

static void put_number(struct encode_json *j, const char *name, double v)
{
	encode_json_member(j, name, json_integer(v < 0x1p63 ? llround(v) : INT64_MAX));
}

static void put_point(struct dhat *d, const struct point *x)
{
	struct encode_json *j = &d->json;

	encode_json_open(j, '{');
	put_number(j, "tb", x->bytes);
	put_number(j, "tbk", x->blocks);
	if (d->with_times) {
		put_number(j, "tl", x->lived_us);
		put_number(j, "mb", fmax(x->peak_bytes, x->end_bytes));
		put_number(j, "mbk", x->peak_bytes > x->end_bytes ? x->peak_blocks : x->end_blocks);
		put_number(j, "gb", x->peak_bytes);
		put_number(j, "gbk", x->peak_blocks);
		put_number(j, "eb", x->end_bytes);
		put_number(j, "ebk", x->end_blocks);
	}
	encode_json_key(j, "fs");
	encode_json_open(j, '[');
	for (uint32_t i = 0; i < x->sample->n_locations; i++) {
		const uint32_t location = x->sample->locations[i];

		for (uint32_t k = 0; k < encode_frames(&d->p->locations[location]); k++)
			encode_json_number(j, (int64_t)d->first_frames[location] + k + 1); /* 0 is [root] */
	}
	encode_json_close(j, ']');
	encode_json_close(j, '}');
}

/* --- frames ------------------------------------------------------------------------------------------ */

/* "0x401136: main (main.c:12)", "0x7f0012: read (in /usr/lib/libc.so.6)", as valgrind writes them. */
static json_t *frame_text(const struct encode_frame *frame)
{
	char *text = NULL;
	json_t *ret = NULL;
	int n;

	if (*frame->file)
		n = asprintf(&text, "0x%" PRIX64 ": %s (%s:%" PRId64 ")", frame->address, frame->function,
			     frame->file, frame->line);
	else
		n = asprintf(&text, *frame->module ? "0x%" PRIX64 ": %s (in %s)" : "0x%" PRIX64 ": %s%s",
			     frame->address, *frame->function ? frame->function : "???", frame->module);
	if (n >= 0) {
		ret = json_text(text);
		free(text);
	}
	return ret;
}

static void put_frames(struct dhat *d)
{
	const struct profile *p = d->p;
	struct encode_json *j = &d->json;

	encode_json_key(j, "ftbl");
	encode_json_open(j, '[');
	encode_json_value(j, json_string("[root]"));
	for (size_t i = 0; i < p->n_locations; i++)
		for (uint32_t k = 0; k < encode_frames(&p->locations[i]); k++) {
			const struct encode_frame frame = encode_frame_at(p, &p->locations[i], k);

			encode_json_value(j, frame_text(&frame));
		}
	encode_json_close(j, ']');
}

/* --- the file ---------------------------------------------------------------------------------------- */

static void put_head(struct dhat *d)
{
	const struct snapshot *s = d->p->origin;
	struct encode_json *j = &d->json;

	encode_json_member(j, "dhatFileVersion", json_integer(2));
	encode_json_member(j, "mode", json_string("heap"));
	encode_json_member(j, "verb", json_string("Allocated"));
	encode_json_member(j, "bklt", json_boolean(d->with_times));
	encode_json_member(j, "bkacc", json_false());
	encode_json_member(j, "tu", json_string("\u00b5s"));
	encode_json_member(j, "Mtu", json_string("s"));
	if (d->with_times)
		encode_json_member(j, "tuth", json_integer(SHORT_LIVED_US));
	encode_json_member(j, "cmd", s ? json_text(s->cmdline) : json_string(""));
	encode_json_member(j, "pid", json_integer(s ? (json_int_t)s->pid : 0));
	if (d->with_times)
		put_number(j, "tg", (double)s->peak_elapsed_ns / NS_PER_US);
	put_number(j, "te",
		   s ? (double)s->elapsed_ns / NS_PER_US : fmax(0, (double)d->p->duration_nanos / NS_PER_US));
}

static void put_all(struct dhat *d)
{
	struct encode_json *j = &d->json;

	encode_json_open(j, '{');
	put_head(d);
	encode_json_key(j, "pps");
	encode_json_open(j, '[');
	for (uint32_t i = 0; i < d->n_points; i++)
		put_point(d, &d->points[i]);
	encode_json_close(j, ']');
	put_frames(d);
	encode_json_close(j, '}');
	fputc('\n', j->out);
}

static bool has_times(const struct profile *p)
{
	for (size_t i = 0; i < p->n_samples; i++)
		if (!p->samples[i].extra)
			return false;
	return p->origin;
}

int dhat_encode(const struct profile *p, FILE *out, struct fault *f)
{
	struct dhat d = { .p = p, .json = { .out = out }, .with_times = has_times(p) };
	int r = encode_heap_types(p, "DHAT", &d.types, f);

	if (r)
		return r;
	d.first_frames = json_first_frames(p);
	if (d.first_frames && collect(&d))
		put_all(&d);
	else
		r = -ENOMEM;
	free(d.first_frames);
	free(d.points);
	index_done(&d.by_stack);
	return d.json.failed ? -ENOMEM : r;
}
