/* preload/attach.h - whether this process is recorded, and where: the handshake's result and the armed word.
 *
 * attach_start() runs once, in the constructor; everything else is for any thread at any time, also in signal
 * handlers and forked children.  Any failure leaves the process passive for good, in silence.
 *
 * The armed word lies on a page of its own that the kernel wipes in every forked child (MADV_WIPEONFORK), however
 * the child was made: a child never touches the parent's lanes.  vfork and CLONE_VM children share the parent's
 * heap and this page, and count as the parent.
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

struct attach {
	_Atomic(_Atomic uint32_t *) armed; /* the word: process ordinal + 1, or 0 = passive  (V, W) */
	_Atomic uint32_t over;             /* the constructor is through, one way or the other  (X, Y) */
	struct abi_region region;
};
extern HIDDEN struct attach attach;

void attach_start(int argc, char **argv, char **envp);

/* Ordinal + 1 of this process, which is also its mark on the lanes it holds; 0 = passive: touch nothing shared. */
static inline uint32_t attach_holder(void)
{
	_Atomic uint32_t *word = load_acquire(&attach.armed); /* W, pairs with V */
	uint32_t holder = word ? load_relaxed(word) : 0;

	return holder && !load_relaxed(&attach.region.control->detached) ? holder : 0;
}

/* False until the constructor has decided: nobody should stop looking before that. */
static inline bool attach_over(void)
{
	return load_acquire(&attach.over) != 0; /* Y, pairs with X */
}

/* Nanoseconds since the region's epoch, coarse: a vdso call that even strict seccomp lets through. */
uint64_t attach_now(void);

/* Thread id without a system call; 0 if the thread descriptor's layout is unknown. */
uint32_t attach_tid(void);
