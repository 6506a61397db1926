/* preload/record.h - the cold twins of the hooks: what happens when a gap ends or a block may be a sampled one.
 *
 * A hook reaches its twin by a tail jump, so the twin's return address, frame pointer and CFA are those of the
 * program's own call; scripts/lint and tests/unit/shim_hooks.c hold the hooks to that.
 * Any thread, also in signal handlers.  No lock is held across the real allocator, and nothing is left open that a
 * siglongjmp could leave shut. */
#pragma once

#include <stddef.h>

#include "preload/unwind.h"

/* Where the program called us.  In a NOINLINE function that was reached by a jump. */
#define CALLER()                                                                                      \
	{                                                                                             \
		.ip = (uintptr_t)__builtin_return_address(0), .sp = (uintptr_t)__builtin_dwarf_cfa(), \
		.fp = *(const uintptr_t *)__builtin_frame_address(0)                                  \
	}

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

/* For twins in other files: count the block that the real allocator gave for `size` bytes, and return it; take a
 * block out and report its end before the real allocator gets it back. */
void *record_count(void *p, size_t size, const struct unwind_start *at);
void record_forget(const void *p);
