/* preload/unwind.h - the call stack of a hook's caller, without libunwind, locks, system calls or allocation.
 *
 * Any traced thread, also in signal handlers and forked children; async-signal-safe and bounded.  Scratch (frames,
 * chain memory) is off-stack, in pre-mapped slots taken by try-lock.  A walk that cannot go on soundly stops with a
 * flag: never a guess.  unwind_init() is called once from the constructor; before it unwind_walk() returns NULL. */
#pragma once

#include <stdint.h>

#include "common/abi.h"

/* Registers of the function that called the hook, at the instruction after its call. */
struct unwind_start {
	uintptr_t ip; /* return address of the hook */
	uintptr_t sp; /* stack pointer after the hook returns (CFA of the hook's frame) */
	uintptr_t fp; /* frame pointer register (rbp, x29) as the caller has it */
};

/* A finished walk.  frames[0] is the caller of the hook (a return address), the outermost frame comes last. */
struct unwind_stack {
	uint32_t n;
	uint32_t flags; /* ABI_STACK_* */
	uint32_t epoch; /* dlclose epoch it was taken under */
	uint64_t hash;  /* stack_hash() of the above */
	const uint64_t *frames;
	uint32_t *id; /* for its stack id, kept as long as it stands: 0 = not known; NULL = no place for it */
};

/* Prepare: stack bounds of the main thread, rule cache, walk slots, modules known now are published into `region`.
 * Returns 0, or -errno: then walks return NULL and samples carry stack 0. */
int unwind_init(const struct abi_region *region, char **envp);

/* The next, with an `id` that is of thread `tid` alone. */
const struct unwind_stack *unwind_walk_of(const struct unwind_start *start, uint32_t max_depth, uint32_t hint,
					  uint32_t tid);

/* Walk at most `max_depth` frames.  `hint` spreads threads over the walk slots (any number, best stable per
 * thread).  NULL: not initialised or no slot is free.  The result is valid until unwind_done(). */
static inline const struct unwind_stack *unwind_walk(const struct unwind_start *start, uint32_t max_depth,
						     uint32_t hint)
{
	return unwind_walk_of(start, max_depth, hint, 0);
}
void unwind_done(const struct unwind_stack *stack);

/* In a forked child, while it has only one thread: walks of threads that do not exist here are over. */
void unwind_forked(void);

/* After a dlclose.  If it unloaded a module that walks have met: forget rules, start a new epoch. */
void unwind_modules_changed(void);
