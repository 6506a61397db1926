/* collectord/live/memfd.h - memory as a descriptor that can be sealed. */
#pragma once

#include <stddef.h>

/* An empty, sealable memfd, closed on exec and not executable where the kernel can say so; or -errno. */
int memfd_new(const char *name);

/* One with these bytes.  0 or -errno. */
int memfd_with(const void *buf, size_t len, int *ret_fd);
