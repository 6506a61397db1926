/* tests/unit/test_json.c - JSON of a profile: what it says, and that it is JSON whatever names hold. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>

#include "collectord/profile/convert.h"
#include "collectord/profile/json.h"
#include "collectord/profile/utf8.h"
#include "tests/unit/snapshot_file_fixture.h"

static struct profile *p;
static char *text;
static size_t text_len;

static void teardown(void)
{
	profile_free(p);
	free(text);
	snapshot_file_teardown();
}

TestSuite(json, .init = snapshot_file_setup, .fini = teardown);

/* Write `p`, check that it is UTF-8, and read it with strict rules: no key twice. */
static json_t *written(void)
{
	FILE *out = open_memstream(&text, &text_len);
	json_error_t e;
	json_t *j;

	cr_assert_eq(profile_json(p, out), 0);
	cr_assert_eq(fclose(out), 0);
	for (size_t at = 0; at < text_len;) {
		unsigned n = utf8_length(text + at, text_len - at);

		cr_assert_gt(n, 0, "no UTF-8 at %zu", at);
		at += n;
	}
	j = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, &e);
	cr_assert_not_null(j, "%s at %d", e.text, e.position);
	return j;
}

static json_t *written_snapshot(void)
{
	cr_assert_eq(profile_from_snapshot(made, CONVERT_NOW, &p, NULL), 0);
	return written();
}

/* Follow a path like "total.values.alloc_space" or "stacks.0.frames". */
static json_t *at(json_t *j, const char *path)
{
	char key[64];

	while (*path) {
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(key)) : json_object_get(j, key);
		cr_assert_not_null(j, "no %s", path);
		path += n + (path[n] == '.');
	}
	return j;
}

static double number(json_t *j, const char *path)
{
	cr_assert(json_is_number(at(j, path)), "%s", path);
	return json_number_value(at(j, path));
}

Test(json, says_what_the_snapshot_says)
{
	json_t *j = written_snapshot();

	cr_assert_eq(number(j, "heaptap_json"), JSON_VERSION);
	cr_assert_eq(number(j, "process.pid"), 4711);
	cr_assert_eq(number(j, "process.signal"), 125, "wait status -3: ended by a signal");
	cr_assert(json_is_null(at(j, "process.exit_code")));
	cr_assert_str_eq(json_string_value(at(j, "snapshot.reason")), "exit");
	cr_assert_eq(number(j, "snapshot.rate"), 524288);
	cr_assert_eq(number(j, "audit.corrupt"), 10);
	cr_assert_eq(number(j, "audit.counted"), 11);
	cr_assert_eq(number(j, "audit.uncounted"), 12);
	cr_assert_eq(number(j, "audit.own_space"), 13);
	cr_assert_eq(number(j, "total.values.alloc_space"), 1000);
	cr_assert_eq(number(j, "total.values.peak_objects"), 10);
	cr_assert_eq(number(j, "total.values.inuse_space"), 500);
	cr_assert_float_eq(number(j, "total.error_95.alloc_space"), 1.96 * sqrt(1000), 1e-4);
	cr_assert_float_eq(number(j, "total.error_95.inuse_objects"), 1.96 * sqrt(5), 1e-4);
	cr_assert_eq(json_array_size(at(j, "modules")), made->n_modules);
	cr_assert_str_eq(json_string_value(at(j, "modules.0.file")), made->exe);
	cr_assert_eq(json_array_size(at(j, "series.inuse_space")), 40);
	cr_assert_eq(number(j, "series.interval_ns"), 1e9);
	json_decref(j);
}

Test(json, stacks_carry_errors_sizes_lifetimes_and_frames)
{
	json_t *j = written_snapshot(), *frames;

	cr_assert_eq(json_array_size(at(j, "stacks")), p->n_samples);
	cr_assert_eq(number(j, "stacks.0.values.alloc_objects"), 10);
	cr_assert_float_eq(number(j, "stacks.0.error_95.alloc_objects"), 1.96 * sqrt(10), 1e-4);
	cr_assert_eq(number(j, "stacks.0.values.peak_space"), 1000);
	cr_assert_eq(number(j, "stacks.0.events.frees"), 5);
	cr_assert_eq(number(j, "stacks.0.temporary.objects"), 2);
	cr_assert_eq(number(j, "stacks.0.temporary.space"), 20);
	cr_assert_eq(number(j, "stacks.0.undated"), 3);
	cr_assert_eq(number(j, "stacks.0.lifetimes_ms.1.from"), 16);
	cr_assert_eq(number(j, "stacks.0.lifetimes_ms.1.below"), 32);
	cr_assert_float_eq(number(j, "stacks.0.lifetimes_ms.1.objects"), 5, 1e-4);
	cr_assert_eq(number(j, "stacks.0.sizes.1.from"), 64);
	cr_assert_eq(number(j, "stacks.0.sizes.1.alloc_objects"), 0);
	cr_assert_eq(number(j, "stacks.0.sizes.2.alloc_objects"), 2);
	cr_assert_eq(number(j, "stacks.0.sizes.2.inuse_objects"), 0, "below zero for a moment is 0");
	cr_assert(json_is_null(at(j, "stacks.0.sizes.2.below")), "the last class has no end");
	frames = at(j, "stacks.0.frames");
	cr_assert_eq(json_array_size(frames), made->stacks[0].n_frames);
	for (size_t i = 0; i < json_array_size(frames); i++) {
		size_t frame = (size_t)json_integer_value(json_array_get(frames, i));
		char want[32];

		snprintf(want, sizeof(want), "0x%lx", (unsigned long)made->stacks[0].frames[i] - 1);
		cr_assert_str_eq(json_string_value(at(json_array_get(at(j, "frames"), frame), "address")), want);
	}
	json_decref(j);
}

/* Inlined functions are frames of their own, innermost first, also behind locations with several. */
Test(json, inlined_functions_are_frames)
{
	json_t *j;
	uint32_t stack[2];

	p = profile_new();
	profile_add_sample_type(p, "space", "bytes");
	for (uint32_t i = 0; i < 2; i++) {
		stack[i] = profile_add_location(p, PROFILE_NONE, 16 + i);
		p->locations[i].n_lines = 2;
		p->locations[i].lines = profile_alloc(p, 2, sizeof(struct profile_line));
		for (uint32_t k = 0; k < 2; k++) {
			char name[] = { (char)('a' + 2 * i + k), 0 };

			p->locations[i].lines[k] = (struct profile_line){
				.function = profile_add_function(p, name, name, "f.c", 1),
				.line = 10 + k,
			};
		}
	}
	profile_add_sample(p, stack, 2);
	j = written();
	cr_assert_eq(json_array_size(at(j, "stacks.0.frames")), 4);
	for (uint32_t i = 0; i < 4; i++) {
		json_t *f = json_array_get(at(j, "frames"),
					   (size_t)json_integer_value(json_array_get(at(j, "stacks.0.frames"), i)));
		const char want[] = { (char)('a' + i), 0 };

		cr_assert_str_eq(json_string_value(at(f, "function")), want);
		cr_assert_eq(json_is_true(at(f, "inlined")), i % 2 == 0);
		cr_assert_eq(number(f, "line"), 10 + i % 2);
		cr_assert(json_is_null(at(f, "module")));
	}
	json_decref(j);
}

Test(json, names_of_any_bytes_are_text)
{
	static const char hostile[] =
		"\x80\xff\"\\\n\x01</script>\xc3\xa9\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xe2\x82";
	json_t *j;
	uint32_t location;

	p = profile_new();
	profile_add_sample_type(p, hostile, hostile);
	location = profile_add_location(p, 0, 1);
	p->locations[0].n_lines = 1;
	p->locations[0].lines = profile_alloc(p, 1, sizeof(struct profile_line));
	p->locations[0].lines[0].function = profile_add_function(p, hostile, hostile, hostile, 0);
	profile_add_mapping(p, &(struct profile_mapping){ .file = hostile, .build_id = hostile });
	profile_add_sample(p, &location, 1);
	p->samples[0].n_labels = 1;
	p->samples[0].labels = profile_alloc(p, 1, sizeof(struct profile_label));
	p->samples[0].labels[0] = (struct profile_label){ .key = hostile, .str = hostile, .unit = "" };
	j = written();
	cr_assert_str_eq(
		json_string_value(at(j, "frames.0.function")),
		"\\x80\\xff\"\\\n\x01</script>\xc3\xa9\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xc0\\xaf\\xe2\\x82");
	cr_assert_str_eq(json_string_value(at(j, "stacks.0.labels.0.value")),
			 json_string_value(at(j, "frames.0.function")));
	cr_assert_eq(json_object_size(at(j, "stacks.0.values")), 1);
	json_decref(j);
}

/* Profiles of other tools: no process, and errors that nobody knows. */
Test(json, what_is_not_known_is_null)
{
	uint32_t location;
	json_t *j;

	p = profile_new();
	profile_add_sample_type(p, "samples", "count");
	location = profile_add_location(p, PROFILE_NONE, 1);
	for (int i = 1; i <= 2; i++) {
		profile_add_sample(p, &location, 1);
		p->samples[i - 1].values[0] = i;
	}
	j = written();
	cr_assert(json_is_null(at(j, "process")));
	cr_assert(json_is_null(at(j, "series")));
	cr_assert_eq(number(j, "total.values.samples"), 3);
	cr_assert(json_is_null(at(j, "total.error_95.samples")));
	cr_assert(json_is_null(at(j, "stacks.1.error_95.samples")));
	cr_assert_null(json_object_get(at(j, "stacks.1"), "sizes"));
	json_decref(j);
}

/* Values no honest snapshot has must not make the output something else than JSON. */
Test(json, absurd_numbers_stay_numbers)
{
	struct snapshot_stack *k = &made->stacks[0];

	k->detail.age_ns = UINT64_MAX;
	k->values.alloc_count = UINT64_MAX;
	k->values.free_count = UINT64_MAX / 2 + 2;
	k->values.var_alloc_count = 1e308;
	made->stacks[1].values.var_alloc_count = 1e308;
	made->elapsed_ns = UINT64_MAX;
	made->audit.samples = UINT64_MAX;
	made->wall_ns = INT64_MIN;
	cr_assert_eq(profile_from_snapshot(made, CONVERT_NOW, &p, NULL), 0);
	p->samples[1].variance[0] = INFINITY;
	p->samples[2].extra->ages_ns = INFINITY;
	json_decref(written());
}
