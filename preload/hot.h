/* preload/hot.h - the two tests that every allocation and every free of a traced program goes through.
 *
 * Any thread at any time, even before our own relocation; always inlined into hooks that end in a jump.  Plain C
 * everywhere; on x86-64 the same tests in the fewest instructions: hooks.c counts 8 for malloc and 6 for free, the
 * jump to the real function included, where gcc makes 11 and 8 of the C.
 *
 * Before relocation nothing may be read through a pointer and no thread-local word touched: its offset would be
 * read as 0, where the thread descriptor is.  So x86-64 keeps that offset in a word of its own, 0 until
 * sampler_ready(), and one jrcxz looks at it; C looks at an entry of `real` that is null by then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/compiler.h"
#include "preload/live.h"
#include "preload/real.h"
#include "preload/sampler.h"

#if defined(__x86_64__)

/* Does no gap end within `size` bytes?  Then they are counted.  False also while nothing can be forwarded.
 * cmp and sbb subtract max(size, 1): nothing has to be known about size 0. */
static ALWAYS_INLINE bool hot_passes(size_t size)
{
	/* Nothing is written before it is known that the gap goes on: an interrupted test leaves no trace. */
	__asm__ goto("mov %[at], %%rcx\n\t"
		     "jrcxz %l[no]\n\t"
		     "mov %%fs:(%%rcx), %%rax\n\t"
		     "cmp $1, %[size]\n\t"
		     "sbb %[size], %%rax\n\t"
		     "jb %l[no]\n\t"
		     "mov %%rax, %%fs:(%%rcx)"
		     :
		     : [at] "m"(sampler_at), [size] "r"(size)
		     : "rax", "rcx", "cc", "memory"
		     : no);
	return true;
no:
	return false;
}

/* live_maybe(): bits 4 to 19 of `p` by a multiplication and a shift. */
static ALWAYS_INLINE bool hot_maybe(const void *p)
{
	uint64_t i;
	bool maybe;

	__asm__("imul $4096, %k[p], %k[i]\n\t"
		"shr $16, %k[i]"
		: [i] "=r"(i)
		: [p] "r"(p)
		: "cc");
	__asm__ volatile("cmpb $0, %[counter]" : "=@ccne"(maybe) : [counter] "m"(live_filter[i]));
	return maybe;
}

#else

static ALWAYS_INLINE bool hot_passes(size_t size)
{
	uint64_t left;

	if (UNLIKELY(!real.malloc))
		return false;
	left = sampler.left;
	if (UNLIKELY(size - 1 >= left))
		return false;
	sampler.left = left - size;
	return true;
}

static ALWAYS_INLINE bool hot_maybe(const void *p)
{
	return live_maybe(p);
}

#endif
