/* collectord/profile/utf8.c - see utf8.h.  Pure. */
#include "collectord/profile/utf8.h"

#include <stdint.h>

/* Sequence length by lead byte, and the legal range of the second byte (RFC 3629, section 4). */
static unsigned lead(uint8_t c, uint8_t *ret_low, uint8_t *ret_high)
{
	*ret_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	*ret_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

unsigned utf8_length(const char *s, size_t n)
{
	const uint8_t *u = (const uint8_t *)s;
	uint8_t low, high;
	unsigned len;

	if (!n)
		return 0;
	len = lead(u[0], &low, &high);
	if (len > n)
		return 0;
	if (len > 1 && (u[1] < low || u[1] > high))
		return 0;
	for (unsigned i = 2; i < len; i++)
		if (u[i] < 0x80 || u[i] > 0xbf)
			return 0;
	return len;
}

bool utf8_is_control(const char *s, unsigned len)
{
	const uint8_t *u = (const uint8_t *)s;

	return (len == 1 && (u[0] < 0x20 || u[0] == 0x7f)) || (len == 2 && u[0] == 0xc2 && u[1] < 0xa0);
}
