/* collectord/profile/pprof.h - the profile model as gzip'ed profile.proto, both ways (protobuf-c, zlib).
 *
 * The encoder obeys the strictest consumers: string_table[0] is "", ids are 1..N in table order, valid UTF-8. */
#pragma once

#include "collectord/profile/profile.h"

/* Fresh malloc'ed buffer.  0, -ENOMEM, or -EFBIG: larger than a protobuf may be (2 GiB). */
int pprof_encode(const struct profile *p, void **ret_buf, size_t *ret_len);

/* Accepts gzip'ed and plain protobuf.  0, -ENOMEM, or -EINVAL with a fault. */
int pprof_decode(const void *buf, size_t len, struct profile **ret, struct fault *f);
