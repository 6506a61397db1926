/* collectord/live/census.h - how many sessions there are, of whom, and which process has a pid: without a walk over
 * all of them, which everybody who attaches would wait for.
 *
 * Loop's thread.  Borrows sessions and processes; each is counted from when it is told until it is taken out. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct process;

#define CENSUS_PIDS 4096u

struct census {
	LIST_HEAD(, process) by_pid[CENSUS_PIDS]; /* all sessions' */
	struct census_user {
		uint32_t uid, sessions;
	} * users; /* those who have one */
	size_t n_users, cap_users;
	uint32_t sessions;
};

/* One more session of `uid`.  0 or -ENOMEM: then nothing is to be taken out again. */
int census_add(struct census *c, uint32_t uid);
void census_remove(struct census *c, uint32_t uid);
uint32_t census_of(const struct census *c, uint32_t uid);
void census_done(struct census *c); /* takes a zeroed one */

/* By its pid as it is now, which does not change. */
void census_add_process(struct census *c, struct process *p);
void census_remove_process(struct process *p); /* also one that is not in */

/* Call fn(p, arg) for every process with this pid; it may take that one out. */
void census_each(struct census *c, uint32_t pid, void (*fn)(struct process *p, void *arg), void *arg);
