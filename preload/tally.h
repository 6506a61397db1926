/* preload/tally.h - how many bytes this process has allocated: a count, where samples only estimate it.
 *
 * The countdown of sampler.h knows all that a thread allocates; each look adds it to `passed`, and now and then,
 * never on the unsampled path, that goes to the process's entry in the shared region.  A thread keeps at most
 * ABI_COUNT_STEP to itself; it tells the rest when it ends, and the one that calls exit() when the program does.
 * Not told: what a thread has left in _exit(), execve(), a crash, or while it runs on in exit(); the entry says of
 * how many threads.  Counted is what was asked for, at least 1 byte each: also requests below ABI_COUNT_STEP that
 * then failed.  A signal handler that allocates while it interrupts a hook may be counted short.
 *
 * Any thread at any time.  No lock, no system call; a thread's end is a key's destructor (glibc >= 2.34: keys below
 * 32 need no memory). */
#pragma once

#include <stdint.h>

#include "preload/sampler.h"

#define TALLY_OFTEN (64u << 10) /* bytes worth telling, where looks are frequent */

/* Once, from the constructor.  Without it threads do not tell their rest. */
void tally_init(void);

/* This thread begins, or goes on, to count for `holder`, and tells what it may not keep. */
void tally_tell(uint32_t holder);

/* After each look of a recorded process. */
static inline void tally_settle(uint32_t holder)
{
	if (UNLIKELY(sampler.told != holder) || sampler.passed >= TALLY_OFTEN ||
	    sampler.passed + sampler.left > ABI_COUNT_STEP)
		tally_tell(holder);
}

/* This thread tells the rest, and from now on everything at once. */
void tally_end(void);
