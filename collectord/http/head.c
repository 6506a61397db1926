/* collectord/http/head.c - see head.h. */
#include "collectord/http/head.h"

#include <stdbool.h>
#include <string.h>

/* A line and what is left of it. */
struct line {
	const char *at;
	size_t n;
};

static bool is_token_byte(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_target_byte(unsigned char c)
{
	return c > ' ' && c < 0x7f;
}

/* Take one or more such bytes off the front. */
static bool take_all(struct line *l, bool (*fits)(unsigned char))
{
	const char *from = l->at;

	while (l->n && fits((unsigned char)*l->at)) {
		l->at++;
		l->n--;
	}
	return l->at != from;
}

static bool take_byte(struct line *l, char c)
{
	if (!l->n || *l->at != c)
		return false;
	l->at++;
	l->n--;
	return true;
}

static const char *wrong_request_line(struct line l)
{
	static const char version[] = "HTTP/1.";

	if (!take_all(&l, is_token_byte) || !take_byte(&l, ' '))
		return "the request line begins with no method";
	if (!l.n || *l.at != '/')
		return "the request's target is no path";
	take_all(&l, is_target_byte);
	if (!take_byte(&l, ' ') || l.n != strlen(version) + 1 || memcmp(l.at, version, strlen(version)) ||
	    (l.at[l.n - 1] != '0' && l.at[l.n - 1] != '1'))
		return "the request line ends neither in HTTP/1.1 nor in HTTP/1.0";
	return NULL;
}

static const char *wrong_header(struct line l)
{
	if (*l.at == ' ' || *l.at == '\t')
		return "a header is folded";
	if (!take_all(&l, is_token_byte) || !take_byte(&l, ':'))
		return "a header has no name";
	return NULL;
}

/* The length of the first line, or what is wrong with it, or that its end is not there. */
static enum head measure(const char *text, size_t n, size_t *ret_len, const char **ret_why)
{
	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c == '\r') {
			*ret_len = i;
			*ret_why = "a carriage return within a line";
			return i + 1 == n ? HEAD_PART : text[i + 1] == '\n' ? HEAD_WHOLE : HEAD_BAD;
		}
		if (c == '\n' || c == 0x7f || (c < ' ' && c != '\t')) {
			*ret_why = c == '\n' ? "a line ends in a bare line feed" : "a control character";
			return HEAD_BAD;
		}
	}
	return HEAD_PART;
}

enum head head_check(const char *text, size_t n, const char **ret_why)
{
	for (size_t at = 0, len = 0;; at += len + 2) {
		const enum head h = measure(text + at, n - at, &len, ret_why);
		const struct line l = { text + at, len };

		if (h != HEAD_WHOLE)
			return h;
		if (at && !len)
			return HEAD_WHOLE;
		*ret_why = at ? wrong_header(l) : wrong_request_line(l);
		if (*ret_why)
			return HEAD_BAD;
	}
}
