/* preload/cxx_hooks.c - operator new and delete as the program calls them; see cxx.h.
 *
 * Hot paths by the rules of hooks.c: each ends in a tail jump, and before our relocation only words of our own that
 * are zero by then are read.  Budget, x86-64: four instructions and the jump to an operator of libstdc++. */
#include "preload/cxx.h"
#include "preload/hot.h"

#ifndef __OPTIMIZE__
#error "without tail calls every stack would begin in the shim: build with -O1 or more"
#endif

static ALWAYS_INLINE void *hook_new(size_t size, uintptr_t a, uintptr_t b, uint32_t which)
{
	cxx_new *f = load_relaxed(&cxx.forward_new[which]);

	if (LIKELY(f))
		return f(size, a, b);
	f = load_relaxed(&cxx.counted_new[which]);
	if (LIKELY(f) && LIKELY(hot_passes(size)))
		return f(size, a, b);
	return record_new(size, a, b, which);
}

static ALWAYS_INLINE void hook_delete(void *p, uintptr_t a, uintptr_t b, uint32_t which)
{
	cxx_delete *f = load_relaxed(&cxx.forward_delete[which]);

	if (LIKELY(f)) {
		f(p, a, b);
		return;
	}
	f = load_relaxed(&cxx.counted_delete[which]);
	if (LIKELY(f) && LIKELY(!hot_maybe(p)))
		f(p, a, b);
	else
		record_delete(p, a, b, which);
}

/* Numbers are places in cxx_new_names and cxx_delete_names. */
#define NEW(n, symbol)                                                                    \
	EXPORT void *hook_new_##n(size_t size, uintptr_t a, uintptr_t b) __asm__(symbol); \
	HOT void *hook_new_##n(size_t size, uintptr_t a, uintptr_t b)                     \
	{                                                                                 \
		return hook_new(size, a, b, n);                                           \
	}

#define DELETE(n, symbol)                                                               \
	EXPORT void hook_delete_##n(void *p, uintptr_t a, uintptr_t b) __asm__(symbol); \
	HOT void hook_delete_##n(void *p, uintptr_t a, uintptr_t b)                     \
	{                                                                               \
		hook_delete(p, a, b, n);                                                \
	}

/* clang-format off */
NEW(0, "_Znwm")
NEW(1, "_Znam")
NEW(2, "_ZnwmRKSt9nothrow_t")
NEW(3, "_ZnamRKSt9nothrow_t")
NEW(4, "_ZnwmSt11align_val_t")
NEW(5, "_ZnamSt11align_val_t")
NEW(6, "_ZnwmSt11align_val_tRKSt9nothrow_t")
NEW(7, "_ZnamSt11align_val_tRKSt9nothrow_t")
DELETE(0, "_ZdlPv")
DELETE(1, "_ZdaPv")
DELETE(2, "_ZdlPvRKSt9nothrow_t")
DELETE(3, "_ZdaPvRKSt9nothrow_t")
DELETE(4, "_ZdlPvm")
DELETE(5, "_ZdaPvm")
DELETE(6, "_ZdlPvSt11align_val_t")
DELETE(7, "_ZdaPvSt11align_val_t")
DELETE(8, "_ZdlPvSt11align_val_tRKSt9nothrow_t")
DELETE(9, "_ZdaPvSt11align_val_tRKSt9nothrow_t")
DELETE(10, "_ZdlPvmSt11align_val_t")
DELETE(11, "_ZdaPvmSt11align_val_t")
