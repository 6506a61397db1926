/* preload/bounds.h - which stack addresses a walk may read.
 *
 * Any thread, also in signal handlers and forked children; bounds_init() once, in the constructor (main thread).
 * A walk never reads outside [low, high): a stack that is not the thread's own is foreign, and only the page of its
 * innermost frame is known to exist. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct stack_bounds {
	uintptr_t low, high; /* half open, multiples of 8 */
	bool foreign;        /* coroutine, alternate signal stack, or a thread that glibc does not know */
};

void bounds_init(char **envp);

/* Bounds for a walk that starts at `sp` on the calling thread. */
struct stack_bounds bounds_of(uintptr_t sp);
