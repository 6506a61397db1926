/* collectord/profile/pprof_read.h - a file in one of pprof's formats: protobuf, gzip'ed or not, or a legacy text
 * heap profile. */
#pragma once

#include "collectord/profile/profile.h"

/* Could a file that begins with these bytes be one?  Is it meant to be one, even if it is damaged? */
bool pprof_may_be(const void *head, size_t n);
bool pprof_is_certain(const void *head, size_t n);

/* Read it whole.  0, -errno with a fault that does not name the file. */
int pprof_read_file(const char *path, struct profile **ret, struct fault *f);
