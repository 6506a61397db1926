/* collectord/profile/regex.c - see regex.h.
 *
 * PCRE2 backtracks, RE2 does not: a match that goes over PCRE2's limits is done again by its breadth-first matcher,
 * which takes time but not exponentially much. */
#include "collectord/profile/regex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define DFA_WORKSPACE 4096

struct regex {
	pcre2_code *code;
	pcre2_match_data *match;
};

/* `$` is the end of the text, `^` also follows a newline at the end, invalid UTF-8 matches nothing: as in RE2. */
static pcre2_code *compile(const char *translated, int *ret_error)
{
	pcre2_compile_context *c = pcre2_compile_context_create(NULL);
	pcre2_code *code;
	size_t at;

	if (!c)
		return NULL;
	pcre2_set_newline(c, PCRE2_NEWLINE_LF);
	code = pcre2_compile((PCRE2_SPTR)translated, PCRE2_ZERO_TERMINATED,
			     PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
				     PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_BACKSLASH_C,
			     ret_error, &at, c);
	pcre2_compile_context_free(c);
	return code;
}

int regex_compile(const char *pattern, struct regex **ret, struct fault *f)
{
	struct regex *re = calloc(1, sizeof(*re));
	char *translated = NULL;
	char why[120] = "";
	int error = 0, r = re ? regex_translate(pattern, &translated, f) : -ENOMEM;

	if (r)
		goto out;
	re->code = compile(translated, &error);
	if (!re->code) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
		r = fault_set(f, -EINVAL, "error parsing regexp: %s: `%s`", why, pattern);
		goto out;
	}
	pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE); /* without it matching is slower, not other */
	re->match = pcre2_match_data_create(1, NULL);
	r = re->match ? 0 : -ENOMEM;
out:
	free(translated);
	if (r)
		regex_free(re);
	else
		*ret = re;
	return r;
}

bool regex_matches(const struct regex *re, const char *text)
{
	int workspace[DFA_WORKSPACE];
	int r = pcre2_match(re->code, (PCRE2_SPTR)text, strlen(text), 0, 0, re->match, NULL);

	if (r == PCRE2_ERROR_MATCHLIMIT || r == PCRE2_ERROR_DEPTHLIMIT || r == PCRE2_ERROR_HEAPLIMIT ||
	    r == PCRE2_ERROR_JIT_STACKLIMIT)
		r = pcre2_dfa_match(re->code, (PCRE2_SPTR)text, strlen(text), 0, PCRE2_DFA_SHORTEST, re->match,
				    NULL, workspace, DFA_WORKSPACE);
	return r >= 0;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_match_data_free(re->match);
	pcre2_code_free(re->code);
	free(re);
}
