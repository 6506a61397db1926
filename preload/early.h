/* preload/early.h - memory for calls that come before there is an allocator to forward to.
 *
 * IFUNC resolvers of other objects run before our own relocation, and dlsym() allocates while it is being asked who
 * the real allocator is.  Both are served from a small static arena: bump allocation, nothing is ever given back.
 * Any thread, signal-safe, no libc call, no TLS, nothing that needs a relocation.  Exhausted: NULL, never an abort.
 * Its blocks are marked in the free filter, so free() and realloc() notice them on their cold path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define EARLY_BYTES (256u << 10)

void *early_malloc(size_t size);
void *early_calloc(size_t n, size_t size);

/* `align` must be a power of two. */
void *early_memalign(size_t align, size_t size);

/* For blocks of the arena and for NULL.  The old block stays as it is. */
void *early_realloc(void *p, size_t size);

bool early_owns(const void *p);

/* Bytes behind a block of the arena, as it was asked for. */
size_t early_size(const void *p);
