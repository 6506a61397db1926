/* collectord/profile/symbol_cache.h - answers of earlier readings of a module's DWARF, kept in files by build-id.
 *
 * A build-id says exactly which code it is, so an answer once found stays right; also when the file is gone or
 * replaced.  Only modules with DWARF are kept: all others are read in less time than it takes to look.  The folder
 * must be the user's own and closed to others; of the file nothing is believed before owner, size, version,
 * checksum, module and every index in it are right, and one that is not is as good as none.  Written aside and
 * renamed, so readers see whole files.  When the folder holds more than its limit, the files not used longest go.
 * One thread. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/module_symbols.h"

struct symbol_cache;

/* The folder, made if it is missing (and its parent).  A descriptor, or -errno: -EPERM if it is not ours alone. */
int symbol_cache_folder(const char *path);

/* What is known of the module of that mapping; nothing if there is no such file.  0 or -ENOMEM. */
int symbol_cache_open(int folder, const struct profile_mapping *mapping, struct symbol_cache **ret);
void symbol_cache_close(struct symbol_cache *c); /* takes NULL */

/* Is the address known?  Strings live as long as the cache. */
bool symbol_cache_find(const struct symbol_cache *c, uint64_t address, struct module_answer *ret);

/* Remember; files have their final spelling.  0 or -ENOMEM. */
int symbol_cache_add(struct symbol_cache *c, uint64_t address, const struct module_answer *answer);

/* Write what was added.  0 or -errno, which harms nobody. */
int symbol_cache_store(struct symbol_cache *c);
