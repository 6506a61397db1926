/* tests/unit/test_growth.c - what `heaptap growth` calls a leak, a plateau, a spike; LeakSanitizer's templates. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/profile/growth.h"
#include "collectord/profile/suppressions.h"
#include "common/compiler.h"

#define MOMENTS 8

/* At 1, 2, 3 ... seconds. */
static struct growth judge(const int64_t *values, size_t n, double variance)
{
	struct report_cell cells[MOMENTS] = { 0 };
	double seconds[MOMENTS];

	for (size_t i = 0; i < n; i++) {
		cells[i].flat = values[i];
		cells[i].flat_variance = variance;
		seconds[i] = 1 + (double)i;
	}
	return growth_judge(cells, seconds, n);
}

static void check(const int64_t *values, double variance, enum growth_kind expected)
{
	struct growth g = judge(values, MOMENTS, variance);

	cr_expect_str_eq(growth_name(g.kind), growth_name(expected), "%ld %ld ... %ld", (long)values[0],
			 (long)values[1], (long)values[MOMENTS - 1]);
}

Test(growth, what_grows_to_the_end_is_a_leak)
{
	check((const int64_t[]){ 0, 10, 20, 30, 40, 50, 60, 70 }, 0, GROWTH_LEAK);
	check((const int64_t[]){ 50, 51, 52, 53, 54, 55, 56, 57 }, 0, GROWTH_LEAK);
	/* A saw that rises. */
	check((const int64_t[]){ 10, 30, 20, 40, 30, 50, 40, 60 }, 0, GROWTH_LEAK);
	/* Quick at first, slower later, but never done. */
	check((const int64_t[]){ 0, 100, 150, 180, 200, 220, 240, 260 }, 0, GROWTH_LEAK);
}

Test(growth, what_stops_growing_is_a_plateau)
{
	check((const int64_t[]){ 0, 70, 70, 70, 70, 70, 70, 70 }, 0, GROWTH_PLATEAU);
	/* One step is no leak, however late it came. */
	check((const int64_t[]){ 0, 0, 0, 0, 0, 70, 70, 70 }, 0, GROWTH_PLATEAU);
	check((const int64_t[]){ 5, 5, 5, 5, 5, 5, 6, 70 }, 0, GROWTH_PLATEAU);
	check((const int64_t[]){ 0, 60, 90, 100, 101, 101, 101, 102 }, 0, GROWTH_PLATEAU);
}

Test(growth, what_came_and_went_is_a_spike)
{
	check((const int64_t[]){ 0, 0, 900, 900, 0, 0, 0, 0 }, 0, GROWTH_SPIKE);
	check((const int64_t[]){ 40, 50, 900, 60, 50, 60, 50, 60 }, 0, GROWTH_SPIKE);
	/* Not twice as high: it only shrank a little. */
	check((const int64_t[]){ 80, 90, 100, 90, 80, 80, 80, 70 }, 0, GROWTH_SHRINKS);
}

Test(growth, what_luck_can_explain_is_steady)
{
	static const int64_t leak[] = { 0, 10, 20, 30, 40, 50, 60, 70 }, none[MOMENTS] = { 0 };

	check((const int64_t[]){ 70, 70, 70, 70, 70, 70, 70, 70 }, 0, GROWTH_STEADY);
	check(none, 0, GROWTH_STEADY);
	/* The error of a difference is 1.96 * sqrt(2 * variance): 70 is within it from 638 on; its half from 160
	 * on. */
	check(leak, 1, GROWTH_LEAK);
	check(leak, 100, GROWTH_LEAK);
	check(leak, 300, GROWTH_PLATEAU);
	check(leak, 700, GROWTH_STEADY);
	check((const int64_t[]){ 0, 0, 900, 900, 0, 0, 0, 0 }, 1e6, GROWTH_STEADY);
}

Test(growth, one_step_is_no_trend)
{
	cr_expect_eq(judge((const int64_t[]){ 0, 1000 }, 2, 0).kind, GROWTH_STEADY);
	cr_expect_eq(judge((const int64_t[]){ 1000 }, 1, 0).kind, GROWTH_STEADY);
	cr_expect_eq(judge((const int64_t[]){ 0, 1000, 2000 }, 3, 0).kind, GROWTH_LEAK);
}

Test(growth, slope_is_that_of_the_second_half)
{
	struct growth g = judge((const int64_t[]){ 0, 0, 0, 0, 10, 20, 30, 40 }, MOMENTS, 0);

	cr_expect_float_eq(g.slope, 10, 1e-9);
	cr_expect_eq(g.first, 0);
	cr_expect_eq(g.last, 40);
	cr_expect_eq(g.most, 40);
	cr_expect_float_eq(judge((const int64_t[]){ 5, 5, 5 }, 3, 0).slope, 0, 1e-9);
}

/* Halves are of time, not of snapshots: most of these were taken at once. */
Test(growth, time_decides_not_the_number_of_snapshots)
{
	struct report_cell cells[] = {
		{ .flat = 0 }, { .flat = 20 }, { .flat = 40 }, { .flat = 60 }, { .flat = 62 }
	};
	const double at_once[] = { 1, 1.1, 1.2, 1.3, 100 }, even[] = { 1, 2, 3, 4, 5 };

	cr_expect_eq(growth_judge(cells, at_once, 5).kind, GROWTH_PLATEAU);
	cr_expect_eq(growth_judge(cells, even, 5).kind, GROWTH_LEAK);
}

/* --- suppressions ------------------------------------------------------------------------------------- */

static bool suppresses(const char *template, const char *lines)
{
	char path[] = "/tmp/heaptap-supp-XXXXXX";
	struct suppressions *s = NULL;
	int fd = mkstemp(path);
	bool is;

	cr_assert(fd >= 0 && dprintf(fd, "leak:%s\n", template) > 0);
	close(fd);
	cr_assert_eq(suppressions_read(path, &s, NULL), 0);
	unlink(path);
	is = suppressions_match(s, lines, 1, 1);
	suppressions_free(s);
	return is;
}

Test(suppressions, templates_match_as_in_leak_sanitizer)
{
	static const char stack[] =
		"operator new\n/src/new.cc\n/usr/lib/libstdc++.so.6\nparse\n/src/parse.c\n/usr/bin/server\n";
	static const char *const yes[] = { "parse",          "^parse$",   "arse",      "^par",    "arse$",
					   "^parse",         "libstdc++", "*parse*",   "p*e",     "^p*e$",
					   "^*e$",           "/src/*.c$", "^/usr/bin", "server$", "op*or new",
					   "^operator new$", "*",         "p*r*s*e" };
	static const char *const no[] = { "^arse",   "pars$",      "^parse.c", "parsee", "^p*x",
					  "e*p*e*p", "^operator$", "^server",  "p*rr",   "^pa$" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		cr_expect(suppresses(yes[i], stack), "%s should match", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		cr_expect_not(suppresses(no[i], stack), "%s should not match", no[i]);
	cr_expect_not(suppresses("x", ""));
}

Test(suppressions, the_first_template_counts_the_hit)
{
	char path[] = "/tmp/heaptap-supp-XXXXXX", *text = NULL;
	struct suppressions *s = NULL;
	int fd = mkstemp(path);
	size_t len;
	FILE *out;

	cr_assert(fd >= 0 && dprintf(fd, "# none\n\n  leak:a  \nleak:ab\n") > 0);
	close(fd);
	cr_assert_eq(suppressions_read(path, &s, NULL), 0);
	unlink(path);
	cr_expect(suppressions_match(s, "abc\n", 3, 300));
	cr_expect(suppressions_match(s, "xa", 4, 44));
	cr_expect_not(suppressions_match(s, "b", 5, 55));
	cr_expect_not(suppressions_match(NULL, "abc", 1, 1));
	out = open_memstream(&text, &len);
	suppressions_print(s, out);
	fclose(out);
	cr_expect(strstr(text, "\n      7        344 a\n"), "%s", text);
	cr_expect_not(strstr(text, " ab\n"), "%s", text);
	free(text);
	suppressions_free(s);
}
