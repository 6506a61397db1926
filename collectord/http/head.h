/* collectord/http/head.h - is this the head of a request, byte by byte?  Pure text.
 *
 * libmicrohttpd forgives much (a bare LF, folded headers, blanks before a colon), and what it forgives another
 * program in front of us may read differently.  So the bytes are looked at before it gets them, and what is not
 * exactly RFC 9112's grammar is refused. */
#pragma once

#include <stddef.h>

enum head {
	HEAD_PART,  /* nothing wrong so far; more must come */
	HEAD_WHOLE, /* the request line, headers and the empty line are there */
	HEAD_BAD,
};

/* HEAD_BAD: *ret_why says what is wrong.  What stands behind the empty line is not looked at. */
enum head head_check(const char *text, size_t n, const char **ret_why);
