/* collectord/profile/utf8.h - is this text?  Names in profiles come from foreign programs and may be any bytes. */
#pragma once

#include <stddef.h>

/* Bytes of the well-formed UTF-8 character at s[0..n), 1..4; 0 if there is none (RFC 3629: no overlong forms, no
 * surrogates). */
unsigned utf8_length(const char *s, size_t n);
