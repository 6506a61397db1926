/* collectord/profile/pprof_inflate.h - gzip to plain bytes, bounded.  For pprof_decode.c. */
#pragma once

#include <stddef.h>

#include "collectord/profile/fault.h"

/* Inflate all gzip members in `in`, less than 4 GiB, to at most `max` bytes, in a fresh malloc'ed buffer.  0,
 * -ENOMEM or -EINVAL. */
int gunzip(const void *in, size_t n, size_t max, void **ret_buf, size_t *ret_len, struct fault *f);
