/* collectord/profile/utf8.h - is this text?  Names in profiles come from foreign programs and may be any bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed UTF-8 character at s[0..n), 1..4; 0 if there is none (RFC 3629: no overlong forms, no
 * surrogates). */
unsigned utf8_length(const char *s, size_t n);

/* Is the character s[0..len), len from utf8_length(), one that terminals obey: C0, DEL, or C1 in its UTF-8 form? */
bool utf8_is_control(const char *s, unsigned len);
