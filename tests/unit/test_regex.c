/* tests/unit/test_regex.c - which expressions RE2 takes and refuses, in Go's words, and what those it takes match.
 * The expectations are Go 1.19's; tests/e2e/reports.sh asks the tool itself about random expressions. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collectord/profile/regex.h"
#include "common/compiler.h"

static const char *refusal_of(const char *pattern, struct fault *f)
{
	struct regex *re = NULL;
	int r = regex_compile(pattern, &re, f);

	cr_assert_eq(r, -EINVAL, "%s was taken", pattern);
	return f->text;
}

static bool does_match(const char *pattern, const char *text)
{
	struct fault f = { "" };
	struct regex *re = NULL;
	bool does;

	cr_assert_eq(regex_compile(pattern, &re, &f), 0, "%s: %s", pattern, f.text);
	does = regex_matches(re, text);
	regex_free(re);
	return does;
}

Test(regex, counts_of_nested_repetitions_multiply)
{
	static const char *const refused[][2] = {
		{ "(a{500}){3}", "{3}" },    { "((x{20}){10}){6}", "{6}" }, { "(?:a{9}b|c{33}){31}", "{31}" },
		{ "(a{11}|b){91}", "{91}" }, { "((a{500})*){3}", "{3}" },   { "(a{2,}){501}?", "{501}?" },
		{ "a{1001}", "{1001}" },     { "(a{0,2}b){999}", "{999}" }, { "(a{500}b){0,3}", "{0,3}" },
	};
	static const char *const taken[] = { "(a{500}){2}",         "(?:a{10}){100}",      "(a{11}|b){90}",
					     "((a{100}){0}){1000}", "(a{0,}){1000}",       "a{600}b{600}",
					     "(a{500}){1,}",        "((a{30})(b{30})){33}" };
	struct fault f;
	char expected[100];

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		snprintf(expected, sizeof(expected), "error parsing regexp: invalid repeat count: `%s`",
			 refused[i][1]);
		cr_expect_str_eq(refusal_of(refused[i][0], &f), expected);
	}
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		does_match(taken[i], "a");
	cr_expect(does_match("^(a{3}){2}$", "aaaaaa"));
	cr_expect_not(does_match("^(a{3}){2}$", "aaaaa"));
}

Test(regex, scripts_have_their_full_names_only)
{
	static const char *const refused[] = { "\\p{Grek}",       "\\p{GREEK}",  "\\p{greek}",
					       "\\p{Old Italic}", "\\P{Latn}",   "\\p{}",
					       "\\p{L&}",         "[\\p{Cyrl}]", "\\p{Lu Ll}" };
	struct fault f;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		cr_expect(strstr(refusal_of(refused[i], &f), "invalid character class range: `"), "%s: %s",
			  refused[i], f.text);
	cr_expect(does_match("^\\p{Greek}+$", "\xce\xb1\xce\xb2"));
	cr_expect_not(does_match("\\p{Greek}", "ab"));
	cr_expect(does_match("^[\\p{Old_Italic}a]$", "a"));
	cr_expect(does_match("\\P{Latin}", "1"));
	cr_expect(does_match("^\\pL\\p{Lu}$", "aB"));
}
