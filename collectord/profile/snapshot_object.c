/* collectord/profile/snapshot_object.c - see snapshot_object.h.  Types and ranges are checked here, and only here.
 */
#include "collectord/profile/snapshot_object.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int snapshot_inconsistent(struct fault *fault, const char *what)
{
	return fault_set(fault, -EINVAL, "inconsistent heaptap snapshot (bad %s): take a new one", what);
}

bool object_is_string(const msgpack_object *o, const char *s)
{
	return o->type == MSGPACK_OBJECT_STR && o->via.str.size == strlen(s) &&
	       !memcmp(o->via.str.ptr, s, o->via.str.size);
}

const struct snapshot_field *object_find_field(const struct snapshot_field *fields, size_t n,
					       const msgpack_object *key)
{
	for (size_t i = 0; i < n; i++)
		if (object_is_string(key, fields[i].key))
			return &fields[i];
	return NULL;
}

static bool get_unsigned(const msgpack_object *o, uint64_t max, uint64_t *ret)
{
	if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > max)
		return false;
	*ret = o->via.u64;
	return true;
}

static bool get_u32(const msgpack_object *o, uint32_t *ret)
{
	uint64_t u;

	if (!get_unsigned(o, UINT32_MAX, &u))
		return false;
	*ret = (uint32_t)u;
	return true;
}

static bool get_signed(const msgpack_object *o, int64_t min, int64_t max, int64_t *ret)
{
	uint64_t u;

	if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
		*ret = o->via.i64;
		return o->via.i64 >= min;
	}
	if (!get_unsigned(o, (uint64_t)max, &u))
		return false;
	*ret = (int64_t)u;
	return true;
}

static bool get_double(const msgpack_object *o, double *ret)
{
	if (o->type != MSGPACK_OBJECT_FLOAT64 || !isfinite(o->via.f64))
		return false;
	*ret = o->via.f64;
	return true;
}

static int get_string(const msgpack_object *o, char **ret)
{
	char *copy;

	if (o->type != MSGPACK_OBJECT_STR)
		return -EINVAL;
	copy = strndup(o->via.str.size ? o->via.str.ptr : "", o->via.str.size); /* msgpack-c: empty = NULL */
	if (!copy)
		return -ENOMEM;
	free(*ret);
	*ret = copy;
	return 0;
}

static bool get_number(const msgpack_object *o, enum snapshot_field_type type, void *at)
{
	int64_t i;

	switch (type) {
	case FIELD_U32:
		return get_u32(o, at);
	case FIELD_U64:
		return get_unsigned(o, UINT64_MAX, at);
	case FIELD_I64:
		return get_signed(o, INT64_MIN, INT64_MAX, at);
	case FIELD_F64:
		return get_double(o, at);
	case FIELD_I32:
		if (!get_signed(o, INT32_MIN, INT32_MAX, &i))
			return false;
		*(int32_t *)at = (int32_t)i;
		return true;
	default:
		return false;
	}
}

int object_to_field(const msgpack_object *o, const struct snapshot_field *f, void *base, struct fault *fault)
{
	void *at = (char *)base + f->offset;
	int r;

	if (f->type == FIELD_STR)
		r = get_string(o, at);
	else
		r = get_number(o, f->type, at) ? 0 : -EINVAL;
	return r == -EINVAL ? snapshot_inconsistent(fault, f->key) : r;
}

int object_to_values(const msgpack_object *o, struct snapshot_values *v, struct fault *fault)
{
	int r = 0;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < ARRAY_SIZE(snapshot_value_fields))
		return snapshot_inconsistent(fault, "values");
	for (size_t i = 0; i < ARRAY_SIZE(snapshot_value_fields) && !r; i++)
		r = object_to_field(&o->via.array.ptr[i], &snapshot_value_fields[i], v, fault);
	return r;
}

int object_to_audit(const msgpack_object *o, struct snapshot_audit *a, struct fault *fault)
{
	int r = 0;

	if (o->type != MSGPACK_OBJECT_MAP)
		return snapshot_inconsistent(fault, "audit");
	for (uint32_t i = 0; i < o->via.map.size && !r; i++) {
		const msgpack_object_kv *kv = &o->via.map.ptr[i];
		const struct snapshot_field *f =
			object_find_field(snapshot_audit_fields, ARRAY_SIZE(snapshot_audit_fields), &kv->key);

		if (f)
			r = object_to_field(&kv->val, f, a, fault);
	}
	return r;
}

static bool get_build_id(const msgpack_object *o, struct snapshot_module *m)
{
	if (o->type != MSGPACK_OBJECT_BIN || o->via.bin.size > ABI_BUILD_ID_MAX)
		return false;
	m->build_id_len = o->via.bin.size;
	if (m->build_id_len)
		memcpy(m->build_id, o->via.bin.ptr, m->build_id_len);
	return true;
}

int object_to_module(const msgpack_object *o, struct snapshot_module *m, struct fault *fault)
{
	const msgpack_object *e;
	int r;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < 6)
		return snapshot_inconsistent(fault, "module");
	e = o->via.array.ptr;
	if (!get_unsigned(&e[0], UINT64_MAX, &m->range.start) || !get_unsigned(&e[1], UINT64_MAX, &m->range.end) ||
	    !get_unsigned(&e[2], UINT64_MAX, &m->range.bias) || !get_u32(&e[3], &m->range.epoch) ||
	    !get_build_id(&e[5], m) || m->range.start >= m->range.end)
		return snapshot_inconsistent(fault, "module");
	r = get_string(&e[4], &m->path);
	return r == -EINVAL ? snapshot_inconsistent(fault, "module path") : r;
}

int object_to_thread(const msgpack_object *o, struct snapshot_thread *t, struct fault *fault)
{
	int r;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < 2 || !get_u32(&o->via.array.ptr[0], &t->tid))
		return snapshot_inconsistent(fault, "thread");
	r = get_string(&o->via.array.ptr[1], &t->name);
	return r == -EINVAL ? snapshot_inconsistent(fault, "thread name") : r;
}

static int object_to_frames(const msgpack_object *o, struct snapshot_stack *k, struct fault *fault)
{
	uint64_t last = 0;
	int64_t difference;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size > ABI_MAX_DEPTH)
		return snapshot_inconsistent(fault, "frame list");
	k->frames = calloc(o->via.array.size ? o->via.array.size : 1, sizeof(*k->frames));
	if (!k->frames)
		return -ENOMEM;
	for (uint32_t i = 0; i < o->via.array.size; i++) {
		if (!get_signed(&o->via.array.ptr[i], INT64_MIN, INT64_MAX, &difference))
			return snapshot_inconsistent(fault, "frame");
		last += (uint64_t)difference;
		k->frames[i] = last;
	}
	k->n_frames = o->via.array.size;
	return 0;
}

/* [classes, cells...]: as many cells as there are classes, times columns. */
static int object_to_histogram(const msgpack_object *o, struct histogram *h, unsigned columns, struct fault *fault)
{
	struct histogram made = { 0 };
	size_t n;

	if (o->type != MSGPACK_OBJECT_ARRAY || !o->via.array.size ||
	    !get_unsigned(&o->via.array.ptr[0], UINT64_MAX, &made.classes))
		return snapshot_inconsistent(fault, "histogram");
	n = (size_t)histogram_used(&made) * columns;
	if (o->via.array.size - 1 < n)
		return snapshot_inconsistent(fault, "histogram: cells are missing");
	if (!n)
		return 0;
	made.cells = calloc(n, sizeof(*made.cells));
	if (!made.cells)
		return -ENOMEM;
	*h = made;
	for (size_t i = 0; i < n; i++)
		if (!get_unsigned(&o->via.array.ptr[1 + i], UINT64_MAX, &h->cells[i]))
			return snapshot_inconsistent(fault, "histogram cell");
	return 0;
}

static int object_to_detail(const msgpack_object *o, struct snapshot_detail *d, struct fault *fault)
{
	const size_t n = ARRAY_SIZE(snapshot_detail_fields);
	const msgpack_object *e;
	int r = 0;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < n + 2)
		return snapshot_inconsistent(fault, "detail");
	e = o->via.array.ptr;
	for (size_t i = 0; i < n && !r; i++)
		r = object_to_field(&e[i], &snapshot_detail_fields[i], d, fault);
	if (!r)
		r = object_to_histogram(&e[n], &d->lifetimes, LIFETIME_COLUMNS, fault);
	return r ? r : object_to_histogram(&e[n + 1], &d->sizes, SIZE_COLUMNS, fault);
}

static int object_to_point(const msgpack_object *o, struct snapshot_point *p, const struct snapshot_point *before,
			   struct fault *fault)
{
	uint64_t words[SNAPSHOT_POINT_WORDS];
	int64_t difference;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < SNAPSHOT_POINT_WORDS)
		return snapshot_inconsistent(fault, "point of the series");
	memcpy(words, before, sizeof(words));
	for (size_t i = 0; i < SNAPSHOT_POINT_WORDS; i++) {
		if (!get_signed(&o->via.array.ptr[i], INT64_MIN, INT64_MAX, &difference))
			return snapshot_inconsistent(fault, "point of the series");
		words[i] += (uint64_t)difference;
	}
	memcpy(p, words, sizeof(words));
	return 0;
}

int object_to_series(const msgpack_object *o, struct snapshot_series *s, struct fault *fault)
{
	static const struct snapshot_point zero;
	const msgpack_object *e;
	int r = 0;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < 3)
		return snapshot_inconsistent(fault, "series");
	e = o->via.array.ptr;
	if (!get_unsigned(&e[0], UINT64_MAX, &s->start_ns) || !get_unsigned(&e[1], UINT64_MAX, &s->interval_ns) ||
	    e[2].type != MSGPACK_OBJECT_ARRAY || e[2].via.array.size > SNAPSHOT_MAX_POINTS ||
	    (!s->interval_ns && e[2].via.array.size))
		return snapshot_inconsistent(fault, "series");
	s->points = calloc(e[2].via.array.size + 1u, sizeof(*s->points));
	if (!s->points)
		return -ENOMEM;
	for (uint32_t i = 0; i < e[2].via.array.size && !r; i++)
		r = object_to_point(&e[2].via.array.ptr[i], &s->points[i], i ? &s->points[i - 1] : &zero, fault);
	s->n_points = e[2].via.array.size;
	return r;
}

int object_to_stack(const msgpack_object *o, struct snapshot_stack *k, struct fault *fault)
{
	const msgpack_object *e;
	int r;

	if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < 4)
		return snapshot_inconsistent(fault, "stack");
	e = o->via.array.ptr;
	if (!get_u32(&e[0], &k->flags) || !get_u32(&e[1], &k->epoch))
		return snapshot_inconsistent(fault, "stack");
	r = object_to_frames(&e[2], k, fault);
	if (!r)
		r = object_to_values(&e[3], &k->values, fault);
	if (!r && o->via.array.size > 4) /* since minor 1 */
		r = object_to_detail(&e[4], &k->detail, fault);
	return r;
}
