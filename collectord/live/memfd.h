/* collectord/live/memfd.h - memory as a descriptor that can be sealed. */
#pragma once

#include <stddef.h>

/* An empty, sealable memfd, closed on exec and not executable where the kernel can say so; or -errno. */
int memfd_new(const char *name);

/* All of `buf` from the descriptor's position on.  0 or -errno. */
int memfd_fill(int fd, const char *buf, size_t len);

/* One with these bytes.  0 or -errno. */
int memfd_with(const void *buf, size_t len, int *ret_fd);
