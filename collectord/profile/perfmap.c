/* collectord/profile/perfmap.c - see perfmap.h.
 *
 * Only addresses that are asked for are kept, so memory does not grow with the text, and a budget of matches bounds
 * the time that nested entries can cost. */
#include "collectord/profile/perfmap.h"

#include <errno.h>
#include <string.h>

#include "collectord/profile/utf8.h"

#define MAX_MATCHES (1u << 24) /* of entries and addresses; compilers stay at a few for each address */

/* A hex number, with or without 0x, that a blank or the end follows; blanks behind it are skipped. */
static bool parse_hex(const char **s, const char *end, uint64_t *ret)
{
	const char *at = *s, *digits;
	uint64_t v = 0;

	if (end - at > 2 && at[0] == '0' && (at[1] | 0x20) == 'x')
		at += 2;
	for (digits = at; at < end; at++) {
		char low = (char)(*at | 0x20);
		unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
				 : low >= 'a' && low <= 'f' ? (unsigned)(low - 'a') + 10
							    : 16;

		if (digit > 15)
			break;
		if (v >> 60)
			return false;
		v = v << 4 | digit;
	}
	if (at == digits || (at < end && *at != ' ' && *at != '\t'))
		return false;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	*s = at;
	*ret = v;
	return true;
}

static bool is_presentable(const char *s, size_t n)
{
	unsigned len;

	if (!n || n > PERFMAP_MAX_NAME)
		return false;
	for (size_t i = 0; i < n; i += len) {
		len = utf8_length(s + i, n - i);
		if (!len || utf8_is_control(s + i, len))
			return false;
	}
	return true;
}

static bool parse_line(const char *s, const char *end, struct perfmap_entry *ret)
{
	uint64_t start, size, past;

	if (!parse_hex(&s, end, &start) || !parse_hex(&s, end, &size) || !size ||
	    __builtin_add_overflow(start, size, &past))
		return false;
	*ret = (struct perfmap_entry){ .start = start, .end = past };
	if (is_presentable(s, (size_t)(end - s))) {
		ret->name = s;
		ret->name_len = (size_t)(end - s);
	}
	return true;
}

bool perfmap_next(const char *text, size_t len, size_t *at, struct perfmap_entry *ret)
{
	while (*at < len) {
		const char *line = text + *at, *end = memchr(line, '\n', len - *at);

		if (!end)
			break;
		*at = (size_t)(end + 1 - text);
		if (parse_line(line, end, ret))
			return true;
	}
	*at = len;
	return false;
}

/* The first claim at or above `address`. */
static size_t first_from(const struct perfmap_claim *claims, size_t n, uint64_t address)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (claims[mid].address < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void add_claim(struct perfmap_claim *c, const struct perfmap_entry *e)
{
	if (!e->name || (c->covered && (c->name_len != e->name_len || memcmp(c->name, e->name, e->name_len))))
		c->disputed = true;
	if (!c->covered && e->name) {
		c->name = e->name;
		c->name_len = e->name_len;
	}
	c->covered = true;
}

int perfmap_resolve(const char *text, size_t len, struct perfmap_claim *claims, size_t n)
{
	struct perfmap_entry e;
	size_t at = 0;
	unsigned matches = 0;

	while (perfmap_next(text, len, &at, &e)) {
		for (size_t i = first_from(claims, n, e.start); i < n && claims[i].address < e.end; i++) {
			if (++matches > MAX_MATCHES)
				return -E2BIG;
			if (!claims[i].disputed)
				add_claim(&claims[i], &e);
		}
	}
	return 0;
}
