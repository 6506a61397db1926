/* tests/unit/test_report.c - reports against fixed texts of Go 1.19 for stored profiles, and the rules for numbers
 * one by one.  The tool itself judges random profiles and options in tests/e2e/reports.sh. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <errno.h>
#include <time.h>

#include "collectord/profile/pprof.h"
#include "collectord/profile/report.h"
#include "collectord/profile/report_format.h"
#include "tests/unit/tool.h"

static char *report_text_of(const struct profile *p, const struct report_options *o)
{
	struct fault f = { "" };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r = report_print(p, o, out, &f);

	fclose(out);
	cr_assert_eq(r, 0, "%s", f.text);
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
	int kind;
	bool cum;
	int node_count;
	double node_fraction;
};

ParameterizedTestParameters(report, prints_what_pprof_printed)
{
	static struct stored_case cases[] = {
		{ "basic", "basic-top", "inuse_space", REPORT_TOP, false, -1, 0.005 },
		{ "basic", "basic-text", "", REPORT_TOP, false, -1, 0.005 },
		{ "basic", "basic-top-cum", "3", REPORT_TOP, true, -1, 0.005 },
		{ "basic", "basic-top10", "inuse_space", REPORT_TOP, false, 10, 0.005 },
		{ "basic", "basic-top3-cum", "inuse_space", REPORT_TOP, true, 3, 0.005 },
		{ "basic", "basic-alloc_space", "alloc_space", REPORT_TOP, false, -1, 0.005 },
		{ "basic", "basic-inuse_objects", "inuse_objects", REPORT_TOP, false, -1, 0.005 },
		{ "basic", "basic-alloc_objects", "alloc_objects", REPORT_TOP, true, -1, 0.005 },
		{ "basic", "basic-sample_index1", "1", REPORT_TOP, false, -1, 0.005 },
		{ "basic", "basic-nodefraction", "inuse_space", REPORT_TOP, false, -1, 0.3 },
		{ "labels", "labels-top", "inuse_space", REPORT_TOP, false, -1, 0.005 },
		{ "unsym", "unsym-top", "inuse_space", REPORT_TOP, false, -1, 0.005 },
		{ "basic", "basic-tree", "", REPORT_TREE, false, -1, 0.005 },
		{ "basic", "basic-traces", "", REPORT_TRACES, false, -1, 0.005 },
		{ "basic", "basic-tags", "", REPORT_TAGS, false, -1, 0.005 },
		{ "basic", "basic-dot", "", REPORT_DOT, false, -1, 0.005 },
		{ "labels", "labels-tags", "", REPORT_TAGS, false, -1, 0.005 },
		{ "labels", "labels-dot", "", REPORT_DOT, false, -1, 0.005 },
		{ "labels", "labels-traces", "", REPORT_TRACES, false, -1, 0.005 },
		{ "unsym", "unsym-tree", "", REPORT_TREE, false, -1, 0.005 },
	};

	return cr_make_param_array(struct stored_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct stored_case *c, report, prints_what_pprof_printed)
{
	struct profile *p = read_profile(c->profile);
	struct report_options o = REPORT_OPTIONS_DEFAULT;
	char path[PATH_MAX], relative[64], *text;
	size_t len;
	void *expected;

	setenv("TZ", "UTC", 1);
	tzset();
	o.kind = c->kind;
	o.cum = c->cum;
	o.node_count = c->node_count;
	o.node_fraction = c->node_fraction;
	o.sample_index = c->type;
	snprintf(relative, sizeof(relative), "tests/data/pprof/expected/%s.txt", c->expected);
	expected = tool_read(tool_source(path, relative), &len);
	text = report_text_of(p, &o);
	cr_assert_str_eq(text, expected, "%s:\n%s\nexpected:\n%s", c->expected, text, (char *)expected);
	free(text);
	free(expected);
	profile_free(p);
}

static int refused(struct report_options *o, struct fault *f)
{
	struct profile *p = read_profile("basic");
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r = report_print(p, o, out, f);

	fclose(out);
	free(text);
	profile_free(p);
	return r;
}

Test(report, refuses_what_the_profile_does_not_have)
{
	struct report_options o = REPORT_OPTIONS_DEFAULT;
	struct fault f = { "" };

	o.sample_index = "4";
	cr_assert_eq(refused(&o, &f), -EINVAL);
	cr_assert_str_eq(f.text, "sample_index 4 is outside the range [0..3]");
	o.sample_index = "delay";
	cr_assert_eq(refused(&o, &f), -EINVAL);
	cr_assert_not_null(strstr(f.text, "must be one of: [alloc_objects alloc_space inuse_objects inuse_space]"));
	o.sample_index = "";
	o.kind = REPORT_PEEK;
	o.symbol = "no such function";
	cr_assert_eq(refused(&o, &f), -EINVAL);
	cr_assert_str_eq(f.text, "no matches found for regexp: no such function");
	o.focus = "(";
	cr_assert_eq(refused(&o, &f), -EINVAL);
	cr_assert_str_eq(f.text, "parsing focus regexp: error parsing regexp: missing closing ): `(`");
}

/* The profile that is reported on is the caller's: a second report says the same. */
Test(report, leaves_the_profile_as_it_was)
{
	struct profile *p = read_profile("labels");
	struct report_options plain = REPORT_OPTIONS_DEFAULT, o = REPORT_OPTIONS_DEFAULT;
	char *before, *between, *after;

	plain.kind = REPORT_RAW;
	before = report_text_of(p, &plain);
	o.kind = REPORT_DOT;
	o.granularity = REPORT_FILES;
	o.noinlines = true;
	o.hide = "a|e";
	o.tagroot = "thread,bytes";
	o.tagshow = "bytes";
	o.prune_from = "m";
	between = report_text_of(p, &o);
	after = report_text_of(p, &plain);
	cr_assert_str_eq(before, after);
	free(before);
	free(between);
	free(after);
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
