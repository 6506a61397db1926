/* collectord/profile/source_path.h - one spelling per source file, out of what compilers record. */
#pragma once

/* `file`, relative to the compilation directory `dir` (NULL = unknown), without "." and ".." where they can go.
 * malloc'ed; NULL = out of memory. */
char *source_path(const char *dir, const char *file);
