/* collectord/live/threads.h - names of a session's threads, for stacks that are kept apart by thread.
 *
 * The kernel's names (/proc/PID/task/TID/comm, at most 15 bytes of the program's choosing), read when a thread is
 * first met and again now and then: threads take their names late and change them.  A thread that ended keeps the
 * last name it was seen with; one that ended before we came has none.  Bounded: a program can have any number of
 * threads.  The loop's thread only. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/snapshot.h"

#define THREADS_MAX 1024u
#define THREAD_NAME_MAX 16u

struct thread_name {
	uint32_t tid, pid;          /* as we see them: of the process it was met in */
	char name[THREAD_NAME_MAX]; /* "" if it was never read */
};

struct threads {
	struct thread_name *all; /* by tid */
	uint32_t n;
	bool changed; /* since whoever keeps them last looked */
};

void threads_done(struct threads *t); /* takes a zeroed one */

/* A stack of thread `tid` of process `pid` was met.  Without memory, or past the limit, it stays nameless. */
void threads_note(struct threads *t, uint32_t pid, uint32_t tid);

/* Read the names again of those that live. */
void threads_read_again(struct threads *t);

/* Those that have names, lent until the next call of anything here; *ret is malloc'ed.  0 or -ENOMEM. */
int threads_list(const struct threads *t, struct snapshot_thread **ret, size_t *ret_n);
