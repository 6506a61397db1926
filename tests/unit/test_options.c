/* tests/unit/test_options.c - one table, both styles of options, and errors that help. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <criterion/redirect.h>

#include <errno.h>
#include <string.h>

#include "collectord/cli/options.h"
#include "common/compiler.h"

struct values {
	bool quiet;
	int type;
	int64_t count;
	uint64_t rate;
	const char *output;
};

#define AT(field) offsetof(struct values, field)

static const struct option_desc table[] = {
	{ "quiet", 'q', OPTION_FLAG, AT(quiet), NULL, 0, 0, "say nothing" },
	{ "rate", 'r', OPTION_SIZE, AT(rate), "SIZE", 1, 1 << 30, "a size" },
	{ "output", 'o', OPTION_TEXT, AT(output), "DIR", 0, 0, "a directory" },
	{ "count", 0, OPTION_NUMBER, AT(count), "N", -1, 100, "a number" },
	{ "inuse_space", 0, OPTION_CHOICE, AT(type), NULL, 3, 0, "a choice" },
	{ "alloc_space", 0, OPTION_CHOICE, AT(type), NULL, 1, 0, "another" },
};

static const struct command mixing = {
	.name = "test",
	.synopsis = "[OPTIONS] X",
	.summary = "a test",
	.options = table,
	.n_options = ARRAY_SIZE(table),
	.notes = "notes\n",
};
static const struct command stopping = {
	.name = "test",
	.options = table,
	.n_options = ARRAY_SIZE(table),
	.stops_at_operand = true,
	.notes = "",
};

/* Parse a line of words separated by blanks; `words` keeps them. */
static int parse(const struct command *c, const char *line, char words[256], struct values *v, int *first,
		 int *argc, char **argv, struct fault *f)
{
	*argc = 0;
	snprintf(words, 256, "test %s", line);
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[(*argc)++] = w;
	argv[*argc] = NULL;
	return options_parse(c, *argc, argv, v, first, f);
}

struct line_case {
	char line[64];
	struct values expected;
	char output[8];
	int operands;
};

ParameterizedTestParameters(options_parse, takes_gnu_and_pprof_style)
{
	static struct line_case cases[] = {
		{ "x", { .rate = 7 }, "", 1 },
		{ "-q x", { .quiet = true, .rate = 7 }, "", 1 },
		{ "--quiet x", { .quiet = true, .rate = 7 }, "", 1 },
		{ "-quiet x", { .quiet = true, .rate = 7 }, "", 1 },
		{ "-r1M x", { .rate = 1 << 20 }, "", 1 },
		{ "-r 1M x", { .rate = 1 << 20 }, "", 1 },
		{ "--rate=1M x", { .rate = 1 << 20 }, "", 1 },
		{ "-rate 1M x", { .rate = 1 << 20 }, "", 1 },
		{ "-count=5 -alloc_space x", { .rate = 7, .count = 5, .type = 1 }, "", 1 },
		{ "-alloc_space -inuse_space x", { .rate = 7, .type = 3 }, "", 1 },
		{ "--count -1", { .rate = 7, .count = -1 }, "", 0 },
		{ "-qr2 -o/d x y", { .quiet = true, .rate = 2 }, "/d", 2 },
		{ "--quiet=true x", { .quiet = true, .rate = 7 }, "", 1 },
		{ "-q -quiet=false x", { .rate = 7 }, "", 1 },
		{ "-alloc_space=1 x", { .rate = 7, .type = 1 }, "", 1 },
		{ "-alloc_space=false x", { .rate = 7 }, "", 1 },
		{ "x -q", { .quiet = true, .rate = 7 }, "", 1 },
		{ "-- -q", { .rate = 7 }, "", 1 },
	};

	return cr_make_param_array(struct line_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct line_case *c, options_parse, takes_gnu_and_pprof_style)
{
	struct values v = { .rate = 7 };
	char words[256], *argv[16];
	struct fault f = { "" };
	int first, argc;

	cr_assert_eq(parse(&mixing, c->line, words, &v, &first, &argc, argv, &f), 0, "%s: %s", c->line, f.text);
	cr_assert_eq(v.quiet, c->expected.quiet, "%s", c->line);
	cr_assert_eq(v.rate, c->expected.rate, "%s", c->line);
	cr_assert_eq(v.count, c->expected.count, "%s", c->line);
	cr_assert_eq(v.type, c->expected.type, "%s", c->line);
	cr_assert_str_eq(v.output ? v.output : "", c->output, "%s", c->line);
	cr_assert_eq(argc - first, c->operands, "%s", c->line);
}

Test(options_parse, leaves_a_program_s_options_to_it)
{
	struct values v = { 0 };
	char words[256], *argv[16];
	struct fault f = { "" };
	int first, argc;

	cr_assert_eq(parse(&stopping, "-r 2 ls -q --rate", words, &v, &first, &argc, argv, &f), 0);
	cr_assert_eq(v.rate, 2);
	cr_assert_not(v.quiet);
	cr_assert_str_eq(argv[first], "ls");
	cr_assert_eq(parse(&stopping, "-- -weird -q", words, &v, &first, &argc, argv, &f), 0);
	cr_assert_str_eq(argv[first], "-weird");
}

struct refusal_case {
	char line[40], names[24], mends[40];
};

ParameterizedTestParameters(options_parse, names_what_is_wrong_and_how_to_mend_it)
{
	static struct refusal_case cases[] = {
		{ "--quiett x", "--quiett", "did you mean --quiet?" },
		{ "-quite x", "-quite", "did you mean --quiet?" },
		{ "--raet=5 x", "--raet=5", "did you mean --rate?" },
		{ "-z x", "-z", "test --help" },
		{ "-qz x", "-qz", "test --help" },
		{ "-zq x", "-zq", "test --help" },
		{ "x -zq", "-zq", "test --help" },
		{ "--frobnicate x", "--frobnicate", "test --help" },
		{ "--quiet=3 x", "--quiet", "takes no value" },
		{ "-r", "-r", "needs SIZE" },
		{ "x --count", "--count", "needs N" },
		{ "-r 1x y", "1x", "512K" },
		{ "-r 0 y", "0", "from 1 byte" },
		{ "-r 2G y", "2G", "to 1 GB" },
		{ "--count 101 y", "101", "from -1 to 100" },
		{ "--count 5x y", "5x", "from -1 to 100" },
		{ "--count 99999999999999999999 y", "999", "from -1 to 100" },
		{ "--output= y", "--output", "DIR" },
	};

	return cr_make_param_array(struct refusal_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct refusal_case *c, options_parse, names_what_is_wrong_and_how_to_mend_it)
{
	struct values v = { 0 };
	char words[256], *argv[16];
	struct fault f = { "" };
	int first, argc;

	cr_assert_eq(parse(&mixing, c->line, words, &v, &first, &argc, argv, &f), -EINVAL, "%s", c->line);
	cr_assert(strstr(f.text, c->names) && strstr(f.text, c->mends), "%s: '%s' should name %s and say %s",
		  c->line, f.text, c->names, c->mends);
}

Test(options_parse, help_goes_to_stdout_and_lists_every_option)
{
	struct values v = { 0 };
	char words[256], text[4096] = "", *argv[16];
	struct fault f = { "" };
	int first, argc;
	FILE *out;

	cr_redirect_stdout();
	cr_assert_eq(parse(&mixing, "--help", words, &v, &first, &argc, argv, &f), OPTIONS_HELP);
	fflush(stdout);
	out = cr_get_redirected_stdout();
	cr_assert_gt(fread(text, 1, sizeof(text) - 1, out), 0);
	cr_assert(strstr(text, "usage: heaptap test [OPTIONS] X"));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_assert(strstr(text, table[i].name) && strstr(text, table[i].help), "%s", table[i].name);
	cr_assert(strstr(text, "notes"));
}

Test(options_nearest, finds_typing_errors_and_no_more)
{
	static const char *const names[] = { "run", "top", "export" };

	cr_assert_str_eq(options_nearest("rnu", names, 3), "run");
	cr_assert_str_eq(options_nearest("topp", names, 3), "top");
	cr_assert_str_eq(options_nearest("exprot", names, 3), "export");
	cr_assert_null(options_nearest("frobnicate", names, 3));
	cr_assert_null(options_nearest("foo", names, 3));
	cr_assert_null(options_nearest("rm", names, 3));
	cr_assert_null(options_nearest("", names, 3));
	cr_assert_null(options_nearest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", names, 3));
}
