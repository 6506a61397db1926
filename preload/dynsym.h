/* preload/dynsym.h - the dynamic section of a loaded object, read where it lies in memory.
 *
 * For the constructor and the decision who owns malloc: no lock, no allocation, no libc call, so dlsym()'s error
 * texts are never built.  The objects are those of the process's start: none of them can go away meanwhile. */
#pragma once

#include <link.h>
#include <stdbool.h>

/* The soname of `map`, or NULL. */
const char *dynsym_soname(const struct link_map *map);

/* The definition of `name` that other objects can bind to, or NULL.  Versions other than the default one count not.
 */
const ElfW(Sym) * dynsym_find(const struct link_map *map, const char *name);

/* Does `map` refer to a `name` that others define? */
bool dynsym_imports(const struct link_map *map, const char *name);
