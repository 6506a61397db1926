/* collectord/profile/symbol_cache_folder.h - files of a folder that is ours alone: read, replaced whole, bounded.
 *
 * Private to symbol_cache*.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* All bytes of a file that is ours, malloc'ed; it counts as used now.  NULL: there is none to believe. */
void *symbol_cache_read(int folder, const char *name, uint64_t max, size_t *ret_size);

int symbol_cache_write(int folder, const char *name, const void *bytes, size_t size); /* 0 or -errno */

/* Remove the files of that suffix which were not used longest until the rest is within `max` bytes. */
void symbol_cache_trim(int folder, const char *suffix, uint64_t max);
