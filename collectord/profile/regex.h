/* collectord/profile/regex.h - regular expressions as Go's regexp package (RE2) reads them, matched by PCRE2.
 *
 * What RE2 refuses (backreferences, lookaround, possessive quantifiers) is refused with Go's own words, so that an
 * expression means the same here and in `go tool pprof`.  One thread per regex. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collectord/profile/fault.h"

struct regex;

/* 0, -ENOMEM or -EINVAL with a fault: "error parsing regexp: missing closing ): `a(b`". */
int regex_compile(const char *pattern, struct regex **ret, struct fault *f);
bool regex_matches(const struct regex *re, const char *text); /* anywhere in it */
void regex_free(struct regex *re);                            /* takes NULL */

/* regex_syntax.c: the same expression for PCRE2, malloc'ed. */
int regex_translate(const char *pattern, char **ret, struct fault *f);
