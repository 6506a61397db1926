/* collectord/cli/output.h - writing a result where the user asked for it. */
#pragma once

#include <stddef.h>

#include "collectord/profile/fault.h"

/* Write `len` bytes to `file`: "-" is stdout; a regular or new file is replaced in one step (temporary file beside
 * it, fsync, rename) and a symbolic link to one is followed; anything else (pipe, device) is written to.
 * 0 or -errno with a fault; then an existing file is what it was. */
int output_write(const char *file, const void *buf, size_t len, struct fault *f);
