/* preload/child.h - forked children as processes of their own.
 *
 * A child of fork() is fresh: nothing in it is armed, and nothing was said to the collector.  Its first sampled
 * event, be it an alloc or a free, takes a process entry in the inherited region and tells what the child
 * inherited: the live table it has a copy of.  So children that only execute another program cost nothing.  No
 * system call, no allocation, no wait for other threads that could be stopped. Passive for good: children of a raw
 * clone() or _Fork() (nobody told us), of passive parents, and those that find no entry.  vfork children are not
 * children here: they run in their parent's memory.
 *
 *   fill the entry; cas(holder) (Z)          load_acquire(holder)  (A')
 *     Z pairs with A': who writes events in the process's name has seen its entry filled in. */
#pragma once

#include "preload/attach.h"
#include "preload/live.h"

enum child_state {
	CHILD_NONE = 0, /* no child, or one that stays passive */
	CHILD_FRESH,
	CHILD_TELLING, /* armed, and one thread tells what was inherited */
	CHILD_TOLD,
	CHILD_REFUSED,
};

/* This process is number `pid`, entry `ordinal`; from now on forked children are noticed. */
void child_init(uint32_t pid, uint32_t ordinal);

/* Is this a fresh child? */
bool child_is_fresh(void);

/* Called where attach_holder() said 0, for an event that is to be recorded: the holder after all, or 0. */
uint32_t child_begin(void);

/* The holder for the end of a block whose entry `ref` was detached, after attach_holder() said `holder`; what the
 * collector does not know of the block yet was told it.  0: no event. */
uint32_t child_end_of(uint32_t holder, const struct live_ref *ref);

/* For live_entry.mark: tells what this process allocated from what it inherited. */
uint8_t child_mark(void);
