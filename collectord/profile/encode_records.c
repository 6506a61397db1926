/* collectord/profile/encode_records.c - see encode_records.h.
 *
 * What readers choke on is not written: "0: 64" and lines of 64 KiB (pprof), "1: 64 [...] @" without an address
 * (the perl tools). */
#include "collectord/profile/encode_records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define FRAMES_MAX 3000u /* of a stack, leaf first: what is left of a line at 19 bytes each */

struct quad {
	int64_t inuse_objects, inuse_space, alloc_objects, alloc_space;
};

/* Bytes without an object would be refused. */
static int64_t objects(int64_t count, int64_t bytes)
{
	return count || !bytes ? count : 1;
}

static struct quad values(const struct encode_records *r, const struct profile_sample *s)
{
	const int64_t *v = s->values;
	const struct encode_heap *t = &r->types;

	return (struct quad){
		.inuse_objects = objects(v[t->inuse_objects], v[t->inuse_space]),
		.inuse_space = v[t->inuse_space],
		.alloc_objects = objects(v[t->alloc_objects], v[t->alloc_space]),
		.alloc_space = v[t->alloc_space],
	};
}

static int by_bytes_in_use(const void *a, const void *b, void *ctx)
{
	const struct encode_records *r = ctx;
	const struct profile_sample *const *x = a, *const *y = b;
	const struct quad v = values(r, *x), w = values(r, *y);

	if (v.inuse_space != w.inuse_space)
		return v.inuse_space > w.inuse_space ? -1 : 1;
	if (v.alloc_space != w.alloc_space)
		return v.alloc_space > w.alloc_space ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

int encode_records_new(const struct profile *p, const char *format, struct encode_records *ret, struct fault *f)
{
	int r;

	*ret = (struct encode_records){ .p = p };
	r = encode_heap_types(p, format, &ret->types, f);
	if (r)
		return r;
	ret->at = calloc(p->n_samples + 1, sizeof(*ret->at));
	if (!ret->at)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct quad v = values(ret, &p->samples[i]);

		if (v.inuse_objects || v.alloc_objects)
			ret->at[ret->n++] = &p->samples[i];
	}
	qsort_r(ret->at, ret->n, sizeof(*ret->at), by_bytes_in_use, ret);
	return 0;
}

void encode_records_done(struct encode_records *r)
{
	free(r->at);
}

static int64_t add(int64_t a, int64_t b)
{
	return __builtin_add_overflow(a, b, &a) ? INT64_MAX : a;
}

static void put_quad(const struct quad *v, FILE *out)
{
	fprintf(out, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @", v->inuse_objects, v->inuse_space,
		v->alloc_objects, v->alloc_space);
}

void encode_records_header(const struct encode_records *r, const char *tag, FILE *out)
{
	struct quad sum = { 0 };

	for (size_t i = 0; i < r->n; i++) {
		const struct quad v = values(r, r->at[i]);

		sum.inuse_objects = add(sum.inuse_objects, v.inuse_objects);
		sum.inuse_space = add(sum.inuse_space, v.inuse_space);
		sum.alloc_objects = add(sum.alloc_objects, v.alloc_objects);
		sum.alloc_space = add(sum.alloc_space, v.alloc_space);
	}
	fputs("heap profile: ", out);
	put_quad(&sum, out);
	fprintf(out, " %s\n", tag);
}

void encode_record(const struct encode_records *r, const struct profile_sample *s, FILE *out)
{
	const struct quad v = values(r, s);

	put_quad(&v, out);
	for (uint32_t i = 0; i < s->n_locations && i < FRAMES_MAX; i++)
		fprintf(out, " 0x%" PRIx64, r->p->locations[s->locations[i]].address + 1);
	fputs(s->n_locations ? "\n" : " 0x1\n", out);
}
