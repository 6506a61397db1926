/* tests/unit/test_encode_json.c - speedscope, DHAT, CSV, protobuf: strict readers accept them and find every
 * number. */
#include <jansson.h>

#include "collectord/profile/convert.h"
#include "collectord/profile/pprof.h"
#include "tests/unit/encode_fixture.h"

TestSuite(encode_json, .init = encode_setup, .fini = encode_teardown);

static json_t *parsed(void)
{
	json_error_t e;
	json_t *j = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, &e);

	cr_assert_not_null(j, "%s at %d", e.text, e.position);
	return j;
}

static json_int_t number(json_t *j, const char *key)
{
	cr_assert(json_is_integer(json_object_get(j, key)), "%s", key);
	return json_integer_value(json_object_get(j, key));
}

static json_int_t sum(json_t *array, const char *key)
{
	json_int_t ret = 0;

	for (size_t i = 0; i < json_array_size(array); i++) {
		json_t *at = json_array_get(array, i);

		ret += key ? number(at, key) : json_integer_value(at);
	}
	return ret;
}

/* Indices in rows of an array of arrays are within a table. */
static void check_indices(json_t *row, size_t n)
{
	for (size_t k = 0; k < json_array_size(row); k++) {
		json_int_t at = json_integer_value(json_array_get(row, k));

		cr_assert(json_is_integer(json_array_get(row, k)) && at >= 0 && (size_t)at < n, "%d of %zu",
			  (int)at, n);
	}
}

/* --- speedscope ----------------------------------------------------------------------------------------- */

Test(encode_json, speedscope_has_a_profile_for_each_sample_type)
{
	json_t *j, *frames, *profiles;

	encoded(speedscope_encode);
	j = parsed();
	frames = json_object_get(json_object_get(j, "shared"), "frames");
	profiles = json_object_get(j, "profiles");
	cr_assert_eq(json_array_size(profiles), 4);
	cr_assert_eq(number(j, "activeProfileIndex"), 3);
	for (size_t t = 0; t < 4; t++) {
		json_t *one = json_array_get(profiles, t), *rows = json_object_get(one, "samples");

		cr_assert_str_eq(json_string_value(json_object_get(one, "type")), "sampled");
		cr_assert_str_eq(json_string_value(json_object_get(one, "unit")), t % 2 ? "bytes" : "none");
		cr_assert_eq(number(one, "startValue"), 0);
		cr_assert_eq(number(one, "endValue"), total(t));
		cr_assert_eq(sum(json_object_get(one, "weights"), NULL), total(t));
		cr_assert_eq(json_array_size(rows), p->n_samples);
		cr_assert_eq(json_array_size(json_object_get(one, "weights")), p->n_samples);
		for (size_t i = 0; i < json_array_size(rows); i++)
			check_indices(json_array_get(rows, i), json_array_size(frames));
	}
	json_decref(j);
}

/* The same function at two addresses is one frame; stacks are root first. */
Test(encode_json, speedscope_frames_are_functions)
{
	uint32_t stack[3];
	json_t *j, *row, *frames;

	profile_free(p);
	p = profile_new();
	add_heap_types();
	profile_add_mapping(p, &(struct profile_mapping){ .file = "/lib/x.so", .build_id = "" });
	stack[0] = hostile_location(0x10, "f");
	stack[1] = hostile_location(0x20, "f");
	stack[2] = profile_add_location(p, 0, 0x30);
	add_sample(stack, 3, 1, 1);
	encoded(speedscope_encode);
	j = parsed();
	frames = json_object_get(json_object_get(j, "shared"), "frames");
	cr_assert_eq(json_array_size(frames), 2);
	row = json_array_get(json_object_get(json_array_get(json_object_get(j, "profiles"), 0), "samples"), 0);
	cr_assert_eq(json_array_size(row), 3);
	cr_assert_eq(json_integer_value(json_array_get(row, 1)), json_integer_value(json_array_get(row, 2)));
	row = json_array_get(frames, (size_t)json_integer_value(json_array_get(row, 0)));
	cr_assert_str_eq(json_string_value(json_object_get(row, "name")), "[x.so]");
	cr_assert_null(json_object_get(row, "file"));
	json_decref(j);
}

/* --- DHAT ------------------------------------------------------------------------------------------------ */

static void check_dhat_head(json_t *j)
{
	cr_assert_eq(number(j, "dhatFileVersion"), 2);
	cr_assert_str_eq(json_string_value(json_object_get(j, "mode")), "heap");
	cr_assert_str_eq(json_string_value(json_object_get(j, "verb")), "Allocated");
	cr_assert(json_is_false(json_object_get(j, "bkacc")));
	cr_assert_str_eq(json_string_value(json_object_get(j, "tu")), "\xc2\xb5s");
	cr_assert_str_eq(json_string_value(json_object_get(j, "Mtu")), "s");
	cr_assert(json_is_string(json_object_get(j, "cmd")));
	number(j, "pid");
	number(j, "te");
	cr_assert_str_eq(json_string_value(json_array_get(json_object_get(j, "ftbl"), 0)), "[root]");
}

Test(encode_json, dhat_without_times_says_so_and_keeps_totals)
{
	json_t *j, *points;

	add_sample(p->samples[5].locations, p->samples[5].n_locations, 7, 77)->n_labels = 0;
	encoded(dhat_encode);
	j = parsed();
	check_dhat_head(j);
	points = json_object_get(j, "pps");
	cr_assert(json_is_false(json_object_get(j, "bklt")));
	cr_assert_eq(json_array_size(points), p->n_samples - 1, "two samples of one stack are one point");
	cr_assert_eq(sum(points, "tb"), total(1));
	cr_assert_eq(sum(points, "tbk"), total(0));
	cr_assert_null(json_object_get(json_array_get(points, 0), "eb"));
	for (size_t i = 0; i < json_array_size(points); i++)
		check_indices(json_object_get(json_array_get(points, i), "fs"),
			      json_array_size(json_object_get(j, "ftbl")));
	json_decref(j);
}

/* Freed: 4 objects in class [2^9, 2^10) ms, of a run of 600 ms, so (512 + 600) / 2 each; in use: 6, 100 ms old. */
Test(encode_json, dhat_of_a_snapshot_knows_peak_end_and_lifetimes)
{
	struct snapshot *s = fixture_snapshot();
	struct snapshot_stack *k = fixture_add_here(s, 10, 1000);
	json_t *j, *point;

	k->values.free_count = OBJECTS(4);
	k->values.peak_count = OBJECTS(8);
	k->values.peak_bytes = BYTES(800);
	k->detail.age_ns = 100 * (uint64_t)NS_PER_MS;
	*histogram_put(&k->detail.lifetimes, 10, LIFETIME_COLUMNS) = OBJECTS(4);
	s->elapsed_ns = 600 * (uint64_t)NS_PER_MS;
	s->peak_elapsed_ns = 300 * (uint64_t)NS_PER_MS;
	profile_free(p);
	cr_assert_eq(profile_from_snapshot(s, CONVERT_PEAK, &p, NULL), 0);
	encoded(dhat_encode);
	j = parsed();
	check_dhat_head(j);
	cr_assert(json_is_true(json_object_get(j, "bklt")));
	cr_assert_eq(number(j, "te"), 600000);
	cr_assert_eq(number(j, "tg"), 300000);
	cr_assert_eq(number(j, "pid"), 4711);
	cr_assert_gt(number(j, "tuth"), 0);
	cr_assert_eq(json_array_size(json_object_get(j, "pps")), 1);
	point = json_array_get(json_object_get(j, "pps"), 0);
	cr_assert_eq(number(point, "tb"), 1000);
	cr_assert_eq(number(point, "tbk"), 10);
	cr_assert_eq(number(point, "gb"), 800);
	cr_assert_eq(number(point, "gbk"), 8);
	cr_assert_eq(number(point, "mb"), 800);
	cr_assert_eq(number(point, "mbk"), 8);
	cr_assert_eq(number(point, "eb"), 500);
	cr_assert_eq(number(point, "ebk"), 6);
	cr_assert_eq(number(point, "tl"), 4 * 556000 + 6 * 100000);
	json_decref(j);
	snapshot_free(s);
}

/* --- protobuf -------------------------------------------------------------------------------------------- */

Test(encode_json, protobuf_of_hostile_names_reads_back)
{
	struct profile *q = NULL;
	struct fault f = { "" };
	void *buf;
	size_t n;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	cr_assert_eq(pprof_decode(buf, n, &q, &f), 0, "%s", f.text);
	cr_assert_eq(q->n_samples, p->n_samples);
	for (size_t i = 0; i < q->n_samples; i++)
		cr_assert_arr_eq(q->samples[i].values, p->samples[i].values, 4 * sizeof(int64_t));
	for (size_t i = 0; i < q->n_functions; i++)
		cr_assert_eq(strlen(q->functions[i].name) >= strlen(p->functions[i].name), 1);
	free(buf);
	profile_free(q);
}
