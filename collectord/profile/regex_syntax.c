/* collectord/profile/regex_syntax.c - RE2's syntax, checked and spelled for PCRE2; see regex.h.
 *
 * Every character that is not a letter or digit leaves here as \x{...}, so PCRE2 never sees syntax that RE2 does
 * not have.  Errors are worded as Go's regexp package words them: users of pprof know those. */
#include "collectord/profile/regex_syntax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/utf8.h"

#define REPEAT_MAX 1000

/* --- groups and repetition --------------------------------------------------------------------------- */

static void put_flags(struct syntax *s)
{
	if (s->flags)
		fwrite(s->flags, 1, (size_t)(s->flags_end - s->flags), s->out);
	s->flags = NULL;
}

static int open_group(struct syntax *s, const char *spelled, const char *rest)
{
	if (s->depth == SYNTAX_DEPTH_MAX)
		return syntax_refuse(s, "expression nests too deeply", s->whole, syntax_end(s->whole));
	put_flags(s);
	fputs(spelled, s->out);
	s->has_atom[++s->depth] = false;
	s->copies[s->depth] = 1;
	s->at = rest;
	return 0;
}

static int named_group(struct syntax *s)
{
	const char *from = s->at, *end = strchr(from, '>');

	if (!end)
		return syntax_refuse(s, "invalid named capture", from, syntax_end(from));
	for (const char *t = from + 4; t < end; t++)
		if (*t != '_' && !syntax_is_alnum((unsigned char)*t))
			return syntax_refuse(s, "invalid named capture", from, end + 1);
	if (end == from + 4)
		return syntax_refuse(s, "invalid named capture", from, end + 1);
	return open_group(s, "(", end + 1);
}

/* (?i), (?s-m:...) and so on; everything else after (? is Perl that RE2 does not have. */
static int perl_group(struct syntax *s)
{
	const char *from = s->at, *t = from + 2;
	bool negated = false, saw_flag = false;

	if (strlen(from) > 4 && from[2] == 'P' && from[3] == '<')
		return named_group(s);
	for (; *t; syntax_next(&t)) {
		if (strchr("imsU", *t)) {
			saw_flag = true;
		} else if (*t == '-' && !negated) {
			negated = true;
			saw_flag = false;
		} else if ((*t == ':' || *t == ')') && (!negated || saw_flag)) {
			if (*t == ')') {
				s->flags = s->flags ? s->flags : from;
				s->at = s->flags_end = t + 1;
				return 0;
			}
			put_flags(s);
			fwrite(from, 1, (size_t)(t + 1 - from), s->out);
			return open_group(s, "", t + 1);
		} else {
			syntax_next(&t);
			break;
		}
	}
	return syntax_refuse(s, "invalid or unsupported Perl syntax", from, t);
}

/* A number without leading zeros; -1: none, REPEAT_MAX + 1: too large. */
static int repeat_number(const char **t)
{
	int n = 0;

	if (**t < '0' || **t > '9' || (**t == '0' && (*t)[1] >= '0' && (*t)[1] <= '9'))
		return -1;
	for (; **t >= '0' && **t <= '9'; ++*t)
		n = n > REPEAT_MAX ? n : n * 10 + (**t - '0');
	return n;
}

/* The length of {2}, {2,} or {2,5} at `t`, with its bounds; 0 if it is none and so literal. */
static size_t repeat_braces(const char *t, int *min, int *max)
{
	const char *from = t++;

	*min = *max = repeat_number(&t);
	if (*min < 0)
		return 0;
	if (*t == ',') {
		t++;
		*max = *t == '}' ? -1 : repeat_number(&t);
		if (*max < 0 && *t != '}')
			return 0;
	}
	return *t == '}' ? (size_t)(t + 1 - from) : 0;
}

static void count_copies(struct syntax *s, int copies)
{
	s->atom_copies = copies;
	s->copies[s->depth] = s->other_copies > copies ? s->other_copies : copies;
}

static void new_atom(struct syntax *s, int copies)
{
	s->other_copies = s->copies[s->depth];
	count_copies(s, copies);
}

/* `times` copies of the last atom at least: (a{500}){3} makes 1500. */
static int repetition(struct syntax *s, size_t length, int times)
{
	const char *from = s->at, *previous = s->repeat;

	length += from[length] == '?';
	if (previous)
		return syntax_refuse(s, "invalid nested repetition operator", previous, from + length);
	if (!s->has_atom[s->depth])
		return syntax_refuse(s, "missing argument to repetition operator", from, from + length);
	if (times > 1 && times * s->atom_copies > REPEAT_MAX)
		return syntax_refuse(s, "invalid repeat count", from, from + length);
	count_copies(s, times > 1 ? times * s->atom_copies : times ? s->atom_copies : 1);
	fwrite(from, 1, length, s->out);
	s->at += length;
	s->repeat = from;
	return 0;
}

static int braces(struct syntax *s)
{
	int min, max;
	size_t length = repeat_braces(s->at, &min, &max);

	if (!length) {
		put_flags(s);
		syntax_put(s, '{');
		s->at++;
		new_atom(s, 1);
		s->has_atom[s->depth] = true;
		return 0;
	}
	if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && min > max))
		return syntax_refuse(s, "invalid repeat count", s->at, s->at + length);
	return repetition(s, length, max >= 0 ? max : min ? min : 1);
}

/* --- the whole --------------------------------------------------------------------------------------- */

static int atom(struct syntax *s, const char *spelled, size_t length)
{
	fputs(spelled, s->out);
	s->at += length;
	return 0;
}

static int quoted(struct syntax *s)
{
	const char *end = strstr(s->at, "\\E");

	for (s->at += 2; *s->at && s->at != end;)
		syntax_put(s, syntax_next(&s->at));
	if (end)
		s->at += 2;
	return 0;
}

static int escape(struct syntax *s)
{
	uint32_t c = 0;
	int r;

	switch (s->at[1]) {
	case 'A':
		return atom(s, "(?:\\A)", 2);
	case 'b':
		return atom(s, "(?:\\b)", 2);
	case 'B':
		return atom(s, "(?:\\B)", 2);
	case 'z':
		return atom(s, "(?:\\z)", 2);
	case 'C':
		return syntax_refuse(s, "invalid escape sequence", s->at, s->at + 2);
	case 'Q':
		return quoted(s);
	case 'p':
	case 'P':
		return syntax_unicode_class(s);
	}
	if (syntax_perl_class(s, false))
		return 0;
	r = syntax_single_escape(s, &c);
	if (!r)
		syntax_put(s, c);
	return r;
}

static int close_group(struct syntax *s)
{
	if (!s->depth)
		return syntax_refuse(s, "unexpected )", s->whole, syntax_end(s->whole));
	s->depth--;
	new_atom(s, s->copies[s->depth + 1]);
	return atom(s, ")", 1);
}

static int one_atom(struct syntax *s)
{
	if (*s->at != ')')
		new_atom(s, 1);
	switch (*s->at) {
	case ')':
		return close_group(s);
	case '^':
		return atom(s, "(?:^)", 1);
	case '$':
		return atom(s, "(?:$)", 1);
	case '.':
		return atom(s, ".", 1);
	case '[':
		return syntax_char_class(s);
	case '\\':
		return escape(s);
	}
	syntax_put(s, syntax_next(&s->at));
	return 0;
}

static int step(struct syntax *s)
{
	const char *repeat = s->repeat;
	int r;

	switch (*s->at) {
	case '*':
	case '+':
	case '?':
		return repetition(s, 1, 1);
	case '{':
		r = braces(s);
		if (s->repeat == repeat)
			s->repeat = NULL;
		return r;
	}
	s->repeat = NULL;
	if (*s->at == '(')
		return s->at[1] == '?' ? perl_group(s) : open_group(s, "(", s->at + 1);
	put_flags(s);
	if (*s->at == '|') {
		s->has_atom[s->depth] = false;
		return atom(s, "|", 1);
	}
	r = one_atom(s);
	s->has_atom[s->depth] = true;
	return r;
}

static bool is_utf8(const char *t)
{
	while (*t) {
		unsigned n = utf8_length(t, strlen(t));

		if (!n)
			return false;
		t += n;
	}
	return true;
}

int regex_translate(const char *pattern, char **ret, struct fault *f)
{
	struct syntax s = { .whole = pattern, .at = pattern, .fault = f };
	char *text = NULL;
	size_t len;
	int r = 0;

	if (!is_utf8(pattern))
		return syntax_refuse(&s, "invalid UTF-8", pattern, syntax_end(pattern));
	s.out = open_memstream(&text, &len);
	if (!s.out)
		return -ENOMEM;
	while (!r && *s.at)
		r = step(&s);
	if (!r && s.depth)
		r = syntax_refuse(&s, "missing closing )", pattern, syntax_end(pattern));
	if (fclose(s.out) && !r)
		r = -ENOMEM;
	if (r)
		free(text);
	else
		*ret = text;
	return r;
}
