/* preload/hooks.c - what the program and the loader call: the malloc family, dlclose, the constructor.
 *
 * Hot paths only.  Each ends in a tail jump, to the real function or to its cold twin in record.c, which takes the
 * return address it finds for the program's.  Before our relocation neither thread-local storage nor pointers may
 * be used; hot_passes() sees to that.  free() and realloc() need no such test: NULL and the early arena's blocks,
 * the only pointers there can be by then, are pinned in the filter.
 * Budget, x86-64: malloc 8 instructions, free 6, the jump counted (tests/unit/shim_hooks.c). */
#include <stddef.h>

#include "common/compiler.h"
#include "preload/attach.h"
#include "preload/hot.h"
#include "preload/real.h"
#include "preload/record.h"
#include "preload/tally.h"
#include "preload/unwind.h"

#ifndef __OPTIMIZE__
#error "without tail calls every stack would begin in the shim: build with -O1 or more"
#endif

EXPORT void *malloc(size_t size);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t size);
EXPORT void *reallocarray(void *p, size_t n, size_t size);
EXPORT void free(void *p);
EXPORT void cfree(void *p);
EXPORT void *memalign(size_t align, size_t size);
EXPORT void *aligned_alloc(size_t align, size_t size);
EXPORT int posix_memalign(void **ret, size_t align, size_t size);
EXPORT void *valloc(size_t size);
EXPORT void *pvalloc(size_t size);
EXPORT int dlclose(void *handle);

HOT void *malloc(size_t size)
{
	if (LIKELY(hot_passes(size)))
		return real.malloc(size);
	return record_malloc(size);
}

static ALWAYS_INLINE void release(void *p)
{
	if (UNLIKELY(hot_maybe(p)))
		record_free(p);
	else
		real.free(p);
}

HOT void free(void *p)
{
	release(p);
}

HOT void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (!__builtin_mul_overflow(n, size, &bytes) && LIKELY(hot_passes(bytes)))
		return real.calloc(n, size);
	return record_calloc(n, size);
}

HOT void *realloc(void *p, size_t size)
{
	if (LIKELY(!hot_maybe(p)) && LIKELY(hot_passes(size)))
		return real.realloc(p, size);
	return record_realloc(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	return record_reallocarray(p, n, size);
}

void cfree(void *p)
{
	release(p);
}

void *memalign(size_t align, size_t size)
{
	return record_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	return record_aligned_alloc(align, size);
}

int posix_memalign(void **ret, size_t align, size_t size)
{
	return record_posix_memalign(ret, align, size);
}

void *valloc(size_t size)
{
	return record_valloc(size);
}

void *pvalloc(size_t size)
{
	return record_pvalloc(size);
}

int dlclose(void *handle)
{
	int r = real.dlclose(handle);

	unwind_modules_changed();
	return r;
}

static __attribute__((constructor)) void start(int argc, char **argv, char **envp)
{
	attach_start(argc, argv, envp);
}

static __attribute__((destructor)) void end(void)
{
	tally_end();
}
