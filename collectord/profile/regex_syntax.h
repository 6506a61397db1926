/* collectord/profile/regex_syntax.h - the reader of RE2's syntax, between its two halves.  Only regex_*.c include
 * this. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "collectord/profile/regex.h"

#define SYNTAX_DEPTH_MAX 1000

struct syntax {
	const char *whole, *at; /* at: what is still to read */
	FILE *out;
	struct fault *fault;
	const char *repeat;                  /* where the repetition began that was read last, or NULL */
	bool has_atom[SYNTAX_DEPTH_MAX + 1]; /* per open group: is there something to repeat */
	/* How many copies of something nested {counts} ask for: the most in each open group, in its last atom, and
	 * in those before that one. */
	int copies[SYNTAX_DEPTH_MAX + 1], atom_copies, other_copies;
	const char *flags, *flags_end; /* (?i) and so on, read but not written: a repetition belongs before them */
	unsigned depth;
};

static inline const char *syntax_end(const char *t)
{
	return t + strlen(t);
}

static inline bool syntax_is_alnum(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* regex_class.c: each reads what stands at s->at and writes it.  0 or -EINVAL with the fault. */
int syntax_refuse(struct syntax *s, const char *what, const char *from, const char *to);
uint32_t syntax_next(const char **t); /* the character at *t, which is valid UTF-8; *t moves behind it */
void syntax_put(struct syntax *s, uint32_t c);
int syntax_single_escape(struct syntax *s, uint32_t *ret); /* \n, \x7f, \. and so on: the character it means */
int syntax_unicode_class(struct syntax *s);                /* \pN */
bool syntax_perl_class(struct syntax *s, bool in_class);   /* \d; true if it was one */
int syntax_char_class(struct syntax *s);                   /* [a-z] */
