/* preload/record.h - the cold twins of the hooks: what happens when a gap ends or a block may be a sampled one.
 *
 * A hook reaches its twin by a tail jump, so the twin's return address, frame pointer and CFA are those of the
 * program's own call; scripts/lint and tests/unit/shim_hooks.c hold the hooks to that.
 * Any thread, also in signal handlers.  No lock is held across the real allocator, and nothing is left open that a
 * siglongjmp could leave shut. */
#pragma once

#include <stddef.h>

void *record_malloc(size_t size);
void *record_calloc(size_t n, size_t size);
void *record_realloc(void *p, size_t size);
void *record_reallocarray(void *p, size_t n, size_t size);
void record_free(void *p);
void *record_memalign(size_t align, size_t size);
void *record_aligned_alloc(size_t align, size_t size);
int record_posix_memalign(void **ret, size_t align, size_t size);
void *record_valloc(size_t size);
void *record_pvalloc(size_t size);
