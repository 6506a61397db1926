/* tests/unit/test_report.c - the top report against `go tool pprof`: fixed texts of Go 1.19 for stored profiles,
 * the tool itself for random ones, and the rules for numbers one by one. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "collectord/profile/pprof.h"
#include "collectord/profile/report.h"
#include "collectord/profile/report_format.h"
#include "tests/unit/tool.h"

static char *report_text(const struct profile *p, const struct report_options *o)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r = report_top(p, o, out);

	fclose(out);
	cr_assert_eq(r, 0);
	return text;
}

static struct profile *read_profile(const char *name)
{
	char path[PATH_MAX], relative[64];
	struct profile *p = NULL;
	struct fault f = { "" };
	size_t len;
	void *buf;

	snprintf(relative, sizeof(relative), "tests/data/pprof/%s.pb.gz", name);
	buf = tool_read(tool_source(path, relative), &len);
	cr_assert_eq(pprof_decode(buf, len, &p, &f), 0, "%s: %s", name, f.text);
	free(buf);
	return p;
}

/* --- stored profiles --------------------------------------------------------------------------------- */

struct stored_case {
	char profile[16], expected[24], type[16];
	bool cum;
	int node_count;
	double node_fraction;
};

ParameterizedTestParameters(report_top, prints_what_pprof_printed)
{
	static struct stored_case cases[] = {
		{ "basic", "basic-top", "inuse_space", false, -1, 0.005 },
		{ "basic", "basic-text", "inuse_space", false, -1, 0.005 },
		{ "basic", "basic-top-cum", "inuse_space", true, -1, 0.005 },
		{ "basic", "basic-top10", "inuse_space", false, 10, 0.005 },
		{ "basic", "basic-top3-cum", "inuse_space", true, 3, 0.005 },
		{ "basic", "basic-alloc_space", "alloc_space", false, -1, 0.005 },
		{ "basic", "basic-inuse_objects", "inuse_objects", false, -1, 0.005 },
		{ "basic", "basic-alloc_objects", "alloc_objects", true, -1, 0.005 },
		{ "basic", "basic-sample_index1", "alloc_space", false, -1, 0.005 },
		{ "basic", "basic-nodefraction", "inuse_space", false, -1, 0.3 },
		{ "labels", "labels-top", "inuse_space", false, -1, 0.005 },
		{ "unsym", "unsym-top", "inuse_space", false, -1, 0.005 },
	};

	return cr_make_param_array(struct stored_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct stored_case *c, report_top, prints_what_pprof_printed)
{
	struct profile *p = read_profile(c->profile);
	struct report_options o = { .cum = c->cum, .node_count = c->node_count, .node_fraction = c->node_fraction };
	char path[PATH_MAX], relative[64], *text;
	size_t len;
	void *expected;

	setenv("TZ", "UTC", 1);
	tzset();
	o.sample_type = profile_find_type(p, c->type);
	snprintf(relative, sizeof(relative), "tests/data/pprof/expected/%s.txt", c->expected);
	expected = tool_read(tool_source(path, relative), &len);
	text = report_text(p, &o);
	cr_assert_str_eq(text, expected, "%s:\n%s\nexpected:\n%s", c->expected, text, (char *)expected);
	free(text);
	free(expected);
	profile_free(p);
}

/* --- random profiles, and pprof itself --------------------------------------------------------------- */

static uint64_t seed;

/* n up to 2^31 */
static uint64_t random_below(uint64_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % n;
}

/* Values from nothing to gigabytes, some negative: the numbers, cutoffs and units all come into play. */
static int64_t random_value(uint64_t digits)
{
	int64_t v = (int64_t)random_below(1ull << random_below(digits));

	return random_below(12) == 0 ? -v : random_below(8) == 0 ? 0 : v;
}

static void random_location(struct profile *p, uint32_t n_functions, uint32_t mapping)
{
	uint32_t n_lines = (uint32_t)random_below(4), at;

	at = profile_add_location(p, mapping, 0x1000 + p->n_locations * 16);
	p->locations[at].lines = profile_alloc(p, n_lines + 1, sizeof(struct profile_line));
	p->locations[at].n_lines = n_lines;
	for (uint32_t i = 0; i < n_lines; i++)
		p->locations[at].lines[i] = (struct profile_line){ (uint32_t)random_below(n_functions), 7 };
}

/* pprof adds up samples of equal stack and labels when it reads; the report does not: keep them apart. */
static void set_label(struct profile *p, struct profile_sample *s, int64_t number)
{
	s->labels = profile_alloc(p, 1, sizeof(*s->labels));
	s->n_labels = 1;
	s->labels[0] = (struct profile_label){ .key = "number", .num = number, .unit = "" };
}

/* Recursion, inlined frames, frames without names, equal weights, locations without a mapping. */
static struct profile *random_profile(void)
{
	struct profile *p = profile_new();
	uint64_t digits = 2 + random_below(30);
	uint32_t n_functions = 3 + (uint32_t)random_below(30), n_locations = 4 + (uint32_t)random_below(60);
	struct profile_mapping m = {
		.start = 0x1000, .limit = 0x10000, .file = "/opt/app/bin/server", .build_id = "00aa"
	};

	profile_add_sample_type(p, "allocs", "count");
	profile_add_sample_type(p, "space", "bytes");
	profile_add_sample_type(p, "time", "nanoseconds");
	m.has_functions = m.has_filenames = m.has_line_numbers = m.has_inline_frames = true;
	profile_add_mapping(p, &m);
	m.start = 0x20000, m.limit = 0x30000, m.file = "/usr/lib/libfoo.so.1";
	profile_add_mapping(p, &m);
	p->time_nanos = 1700000000000000000 + (int64_t)random_below(1ull << 31) * 100000;
	p->duration_nanos = random_below(2) ? (int64_t)random_below(1ull << 31) * 1000 : 0;
	for (uint32_t i = 0; i < n_functions; i++) {
		char name[32];

		snprintf(name, sizeof(name), "fn_%u", i);
		profile_add_function(p, i % 6 == 5 ? "" : name, "", i % 5 ? "file.c" : "", (int64_t)(i % 12));
	}
	for (uint32_t i = 0; i < n_locations; i++)
		random_location(p, (uint32_t)p->n_functions,
				random_below(9) ? (uint32_t)random_below(2) : PROFILE_NONE);
	for (uint64_t i = 1 + random_below(200); i; i--) {
		uint32_t stack[12], n = (uint32_t)random_below(12), at;

		for (uint32_t j = 0; j < n; j++)
			stack[j] = (uint32_t)random_below(n_locations);
		at = profile_add_sample(p, stack, n);
		set_label(p, &p->samples[at], (int64_t)i);
		for (size_t t = 0; t < p->n_sample_types; t++)
			p->samples[at].values[t] = random_value(digits);
	}
	return p;
}

static void compare_with_pprof(uint64_t round)
{
	char path[PATH_MAX], name[32], flags[64], *expected, *text;
	struct report_options o = REPORT_OPTIONS_DEFAULT;
	struct profile *p;
	void *buf;
	size_t len;
	int status;

	seed = round * 7919 + 1;
	p = random_profile();
	o.sample_type = random_below(3);
	o.cum = random_below(2);
	o.node_count = random_below(2) ? (int)random_below(20) : -1;
	cr_assert_eq(pprof_encode(p, &buf, &len), 0);
	snprintf(name, sizeof(name), "random.%d.pb.gz", (int)round);
	tool_write(tool_scratch(path, name), buf, len);
	free(buf);
	snprintf(flags, sizeof(flags), "-sample_index=%zu %s -nodecount=%d", o.sample_type, o.cum ? "-cum" : "",
		 o.node_count);
	expected =
		tool_output(&status, "TZ=UTC go tool pprof -symbolize=none -top %s '%s' 2>/dev/null", flags, path);
	cr_assert_eq(status, 0, "pprof failed on round %d", (int)round);
	text = report_text(p, &o);
	cr_assert_str_eq(text, expected, "round %d, %s:\n%s\npprof:\n%s", (int)round, flags, text, expected);
	free(text);
	free(expected);
	profile_free(p);
	unlink(path);
}

Test(report_top, agrees_with_pprof_on_random_profiles)
{
	if (system("command -v go >/dev/null 2>&1"))
		cr_skip_test("no go on this machine");
	setenv("TZ", "UTC", 1);
	tzset();
	for (uint64_t round = 0; round < 200; round++)
		compare_with_pprof(round);
}

Test(report_top, refuses_a_sample_type_that_is_not_there)
{
	struct profile *p = read_profile("basic");
	struct report_options o = REPORT_OPTIONS_DEFAULT;

	o.sample_type = p->n_sample_types;
	cr_assert_eq(report_top(p, &o, stderr), -EINVAL);
	profile_free(p);
}

/* --- numbers ----------------------------------------------------------------------------------------- */

struct number_case {
	int64_t value;
	char from[16], to[16], expected[32];
};

ParameterizedTestParameters(report_number, chooses_and_rounds_as_pprof)
{
	static struct number_case cases[] = {
		{ 0, "bytes", "minimum", "0" },
		{ 1, "bytes", "minimum", "1B" },
		{ 1023, "bytes", "minimum", "1023B" },
		{ 1024, "bytes", "minimum", "1kB" },
		{ 655360, "bytes", "minimum", "640kB" },
		{ 655360, "bytes", "MB", "0.62MB" },
		{ -2048, "bytes", "minimum", "-2kB" },
		{ -3, "bytes", "MB", "0" },
		{ 12345, "bytes", "parsecs", "12345B" },
		{ 3, "Kilobytes", "B", "3072B" },
		{ 1500000, "nanoseconds", "auto", "1.50ms" },
		{ 7200000000000, "nanoseconds", "minimum", "2hrs" },
		{ 90, "s", "ms", "90000ms" },
		{ 2000, "gcu", "minimum", "2k*GCU" },
		{ 3000000000, "nanoseconds", "parsecs", "3s" },
		{ 42, "count", "minimum", "42" },
		{ 42, "widgets", "widgets", "42widgets" },
		{ 42, "count", "count", "42" },
		{ INT64_MIN, "count", "count", "-9223372036854775808" },
		{ INT64_MAX, "bytes", "minimum", "8192PB" },
	};

	return cr_make_param_array(struct number_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct number_case *c, report_number, chooses_and_rounds_as_pprof)
{
	char buf[REPORT_NUMBER_MAX];

	report_number(buf, c->value, c->from, c->to);
	cr_assert_str_eq(buf, c->expected, "%lld %s in %s: '%s', expected '%s'", (long long)c->value, c->from,
			 c->to, buf, c->expected);
}

struct share_case {
	int64_t value, total;
	char expected[16];
};

ParameterizedTestParameters(report_percentage, keeps_two_digits_and_six_columns)
{
	static struct share_case cases[] = {
		{ 0, 0, "    0%" },          { 0, 5, "    0%" },          { 5, 5, "  100%" },
		{ 99949, 100000, "99.95%" }, { 99951, 100000, "  100%" }, { 100051, 100000, "100.05%" },
		{ 1, 100, " 1.00%" },        { 14, 10000, " 0.14%" },     { 16, 100000, "0.016%" },
		{ -1, 4, "25.00%" },         { 3, 1, "300.00%" },         { 1, 100000000, "1e-06%" },
	};

	return cr_make_param_array(struct share_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct share_case *c, report_percentage, keeps_two_digits_and_six_columns)
{
	char buf[REPORT_NUMBER_MAX];

	report_percentage(buf, c->value, c->total);
	cr_assert_str_eq(buf, c->expected, "%lld of %lld: '%s', expected '%s'", (long long)c->value,
			 (long long)c->total, buf, c->expected);
}
