/* preload/attach.h - whether this process is recorded, and where: the handshake's result and the armed word.
 *
 * attach_start() runs once, in the constructor; everything else is for any thread at any time, also in signal
 * handlers and forked children.  Any failure leaves the process passive for good, in silence.
 *
 * The armed word lies on a page of its own that the kernel wipes in every forked child (MADV_WIPEONFORK), however
 * the child was made: a child never touches the parent's lanes.  vfork and CLONE_VM children share the parent's
 * heap and this page, and count as the parent.  What children of fork() do about it: child.h.
 *
 *   map region, init tables; store_release(word) (V)      load_acquire(word) (W)
 *     V pairs with W: whoever sees the page sees the region behind it.
 *   store_release(over) (X)                load_acquire(over)  (Y)
 *     X pairs with Y: whoever sees that the constructor is through sees whether it armed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/abi.h"
#include "common/atomics.h"
#include "common/compiler.h"
#include "preload/live.h"

/* All zero in a child that was not asked. */
struct attach_page {
	_Atomic uint32_t holder; /* the word: process ordinal + 1, or 0 = passive */
	_Atomic uint32_t child;  /* enum child_state */
	struct live_turns told;  /* how far the child has come with what it inherited */
	_Atomic uint32_t n_missed;
	_Atomic uintptr_t missed[64]; /* blocks whose entries were out of the table when it came by */
};

struct attach {
	_Atomic(struct attach_page *) armed; /* (V, W) */
	_Atomic uint32_t over;               /* the constructor is through, one way or the other  (X, Y) */
	uint32_t stream;                     /* sets the samplers of forked processes apart */
	struct abi_region region;
};
extern HIDDEN struct attach attach;

void attach_start(int argc, char **argv, char **envp);

/* Ordinal + 1 of this process, which is also its mark on the lanes it holds; 0 = passive: touch nothing shared. */
static inline uint32_t attach_holder(void)
{
	struct attach_page *page = load_acquire(&attach.armed);   /* W, pairs with V */
	uint32_t holder = page ? load_acquire(&page->holder) : 0; /* A', pairs with Z of child.h */

	return holder && !load_relaxed(&attach.region.control->detached) ? holder : 0;
}

/* Is this still the process that attach_holder() said `holder` to?  Not in a child forked meanwhile, by a signal.
 */
static inline bool attach_still(uint32_t holder)
{
	return load_relaxed(&load_acquire(&attach.armed)->holder) == holder; /* W, pairs with V */
}

/* False until the constructor has decided: nobody should stop looking before that. */
static inline bool attach_over(void)
{
	return load_acquire(&attach.over) != 0; /* Y, pairs with X */
}

/* Nanoseconds since the region's epoch, coarse: a vdso call that even strict seccomp lets through. */
uint64_t attach_now(void);

/* Thread id without a system call; 0 if the thread descriptor's layout is unknown.  It is found once, by the
 * constructor. */
uint32_t attach_tid(void);
void attach_find_tid(void);
