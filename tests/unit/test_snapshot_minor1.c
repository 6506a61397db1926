/* tests/unit/test_snapshot_minor1.c - the fields of minor version 1, each given wrongly: types, lengths, limits.
 *
 * A whole file is unpacked by msgpack-c, one object is changed, and all is packed again with a right checksum, so
 * the decoder cannot refuse it for another reason. */
#include <msgpack.h>

#include "tests/unit/snapshot_file_fixture.h"

TestSuite(snapshot_minor1, .init = snapshot_file_setup, .fini = snapshot_file_teardown);

static msgpack_unpacked tree;

static msgpack_object *value_of(const char *key)
{
	for (uint32_t i = 0; i < tree.data.via.map.size; i++) {
		msgpack_object_kv *kv = &tree.data.via.map.ptr[i];

		if (kv->key.via.str.size == strlen(key) && !memcmp(kv->key.via.str.ptr, key, strlen(key)))
			return &kv->val;
	}
	cr_assert_fail("no %s", key);
	return NULL;
}

static void unpack_file(void)
{
	size_t used = 0;

	msgpack_unpacked_init(&tree);
	cr_assert_eq(msgpack_unpack_next(&tree, (const char *)file, file_len, &used), MSGPACK_UNPACK_SUCCESS);
	value_of("crc32")->via.u64 = UINT32_MAX; /* keeps its long form; resealed below */
}

static int decode_tree(struct fault *f)
{
	msgpack_sbuffer out;
	msgpack_packer pk;
	int r;

	msgpack_sbuffer_init(&out);
	msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
	cr_assert_eq(msgpack_pack_object(&pk, tree.data), 0);
	reseal((uint8_t *)out.data, out.size);
	r = decode(out.data, out.size, f);
	msgpack_sbuffer_destroy(&out);
	return r;
}

static void check(msgpack_object *at, msgpack_object other, const char *what)
{
	const msgpack_object old = *at;
	struct fault f = { "" };

	*at = other;
	cr_assert_eq(decode_tree(&f), -EINVAL, "%s was taken", what);
	cr_assert(strstr(f.text, "inconsistent"), "%s: %s", what, f.text);
	*at = old;
}

/* Every object below `o` in turn becomes what it must not be; `is_signed` leaves may be negative. */
static void try_wrong_types(msgpack_object *o, bool is_signed)
{
	check(o, (msgpack_object){ .type = MSGPACK_OBJECT_NIL }, "nil");
	check(o, (msgpack_object){ .type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true }, "true");
	check(o, (msgpack_object){ .type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 1.5 }, "1.5");
	check(o, (msgpack_object){ .type = MSGPACK_OBJECT_STR, .via.str = { 1, "x" } }, "a string");
	check(o, (msgpack_object){ .type = MSGPACK_OBJECT_MAP }, "a map");
	if (o->type == MSGPACK_OBJECT_ARRAY) {
		check(o, (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 1 }, "a number");
		for (uint32_t i = 0; i < o->via.array.size; i++)
			try_wrong_types(&o->via.array.ptr[i], is_signed);
	} else {
		check(o, (msgpack_object){ .type = MSGPACK_OBJECT_ARRAY }, "an empty array");
		if (!is_signed)
			check(o, (msgpack_object){ .type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = -1 }, "-1");
	}
}

static msgpack_object *element(msgpack_object *o, uint32_t i)
{
	cr_assert_eq(o->type, MSGPACK_OBJECT_ARRAY);
	cr_assert_lt(i, o->via.array.size);
	return &o->via.array.ptr[i];
}

static void check_shorter(msgpack_object *o, const char *what)
{
	msgpack_object cut = *o;

	cut.via.array.size--;
	check(o, cut, what);
}

static void check_longer_is_fine(msgpack_object *o, const char *what)
{
	const msgpack_object old = *o;
	msgpack_object more[64] = { { .type = MSGPACK_OBJECT_NIL } };
	struct fault f = { "" };

	memcpy(more, old.via.array.ptr, old.via.array.size * sizeof(*more));
	more[old.via.array.size] = (msgpack_object){ .type = MSGPACK_OBJECT_STR, .via.str = { 3, "new" } };
	o->via.array.ptr = more;
	o->via.array.size++;
	cr_assert_eq(decode_tree(&f), 0, "%s: %s", what, f.text);
	*o = old;
}

Test(snapshot_minor1, details_of_a_wrong_type_are_inconsistent)
{
	unpack_file();
	cr_assert_eq(decode_tree(NULL), 0, "unchanged, it is right");
	try_wrong_types(element(element(value_of("stacks"), 0), 4), false);
	msgpack_unpacked_destroy(&tree);
}

Test(snapshot_minor1, a_series_of_a_wrong_type_is_inconsistent)
{
	msgpack_object *series;

	unpack_file();
	series = value_of("series");
	try_wrong_types(element(series, 0), false);
	try_wrong_types(element(series, 1), false);
	element(series, 2)->via.array.size = 3;
	try_wrong_types(element(series, 2), true);
	check(series, (msgpack_object){ .type = MSGPACK_OBJECT_NIL }, "nil for the series");
	check(value_of("minor"), (msgpack_object){ .type = MSGPACK_OBJECT_NIL }, "nil for the minor version");
	check(element(series, 1), (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER }, "an interval of 0");
	msgpack_unpacked_destroy(&tree);
}

/* Since minor 2. */
Test(snapshot_minor1, threads_of_a_wrong_type_are_inconsistent)
{
	msgpack_object *threads;

	unpack_file();
	threads = value_of("threads");
	check(threads, (msgpack_object){ .type = MSGPACK_OBJECT_NIL }, "nil for the threads");
	check(element(threads, 0), (msgpack_object){ .type = MSGPACK_OBJECT_NIL }, "nil for a thread");
	check(element(element(threads, 0), 1), (msgpack_object){ .type = MSGPACK_OBJECT_NIL }, "nil for a name");
	try_wrong_types(element(element(threads, 1), 0), false);
	check_shorter(element(threads, 0), "a thread without a name");
	check_longer_is_fine(element(threads, 0), "thread");
	msgpack_unpacked_destroy(&tree);
}

Test(snapshot_minor1, arrays_may_grow_but_not_shrink)
{
	msgpack_object *detail, *series;

	unpack_file();
	detail = element(element(value_of("stacks"), 0), 4);
	series = value_of("series");
	check_shorter(detail, "a detail without sizes");
	check_shorter(element(detail, 4), "lifetimes with a cell too few");
	check_shorter(element(detail, 5), "sizes with a cell too few");
	check_shorter(series, "a series without points");
	check_shorter(element(element(series, 2), 1), "a point with a word too few");
	check_longer_is_fine(detail, "detail");
	check_longer_is_fine(element(detail, 4), "lifetimes");
	check_longer_is_fine(element(detail, 5), "sizes");
	check_longer_is_fine(element(element(value_of("stacks"), 0), 3), "values");
	check_longer_is_fine(element(value_of("stacks"), 0), "stack");
	check_longer_is_fine(series, "series");
	check_longer_is_fine(element(element(series, 2), 1), "point");
	msgpack_unpacked_destroy(&tree);
}

/* 64 classes announced, as many as the word can, and not one cell. */
Test(snapshot_minor1, classes_without_cells_reserve_nothing)
{
	msgpack_object *histogram;

	unpack_file();
	histogram = element(element(element(value_of("stacks"), 0), 4), 5);
	histogram->via.array.size = 1;
	histogram->via.array.ptr[0].via.u64 = UINT64_MAX;
	cr_assert_eq(decode_tree(NULL), -EINVAL);
	msgpack_unpacked_destroy(&tree);
}

Test(snapshot_minor1, more_points_than_any_series_has_are_refused)
{
	struct snapshot_series *s = &made->series;
	struct fault f = { "" };
	void *buf;
	size_t n;

	free(s->points);
	s->n_points = 65536;
	s->points = calloc(s->n_points + 1, sizeof(*s->points));
	cr_assert_eq(snapshot_encode(made, &buf, &n), 0);
	cr_assert_eq(decode(buf, n, &f), 0, "%s", f.text);
	free(buf);
	s->n_points++;
	cr_assert_eq(snapshot_encode(made, &buf, &n), 0);
	cr_assert_eq(decode(buf, n, &f), -EINVAL);
	free(buf);
}

Test(snapshot_minor1, a_second_series_is_inconsistent)
{
	msgpack_object_map *m;
	msgpack_object_kv *pairs;
	struct fault f = { "" };

	unpack_file();
	m = &tree.data.via.map;
	pairs = malloc((m->size + 1) * sizeof(*pairs));
	memcpy(pairs + 1, m->ptr, m->size * sizeof(*pairs));
	pairs[0] = pairs[1]; /* "heaptap" stays first */
	for (uint32_t i = 0; i < m->size; i++)
		if (&m->ptr[i].val == value_of("series"))
			pairs[1] = m->ptr[i];
	m->ptr = pairs;
	m->size++;
	cr_assert_eq(decode_tree(&f), -EINVAL);
	cr_assert(strstr(f.text, "series"), "%s", f.text);
	free(pairs);
	msgpack_unpacked_destroy(&tree);
}
