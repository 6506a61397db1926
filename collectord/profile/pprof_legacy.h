/* collectord/profile/pprof_legacy.h - text heap profiles, as gperftools, tcmalloc and Go's debug=1 write them. */
#pragma once

#include "collectord/profile/profile.h"

/* Does the first line say so?  It may be cut. */
bool legacy_may_be(const void *head, size_t n);

/* 0, -ENOMEM, or -EINVAL with a fault. */
int legacy_decode(const void *buf, size_t len, struct profile **ret, struct fault *f);
