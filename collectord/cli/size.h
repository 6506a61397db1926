/* collectord/cli/size.h - sizes, counts and times as people write and read them.
 *
 * Sizes are powers of 1024 under pprof's unit names: 1 kB = 1024 bytes, as in the reports of `heaptap top`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SIZE_TEXT_MAX 32

/* "4096", "512K", "512kB", "512KiB", "1M", "2G".  0 or -EINVAL: not a size; -ERANGE: does not fit 64 bits. */
int size_parse(const char *text, uint64_t *ret);

/* "0", "312 B", "512 kB", "12.3 MB".  Returns buf. */
const char *size_text(char buf[SIZE_TEXT_MAX], double bytes);

/* "7", "3.4 k", "12.0 M": powers of 1000. */
const char *count_text(char buf[SIZE_TEXT_MAX], double count);

/* "45 ms", "2.1 s", "2 min 10 s", "3 h 5 min". */
const char *time_text(char buf[SIZE_TEXT_MAX], uint64_t ns);
