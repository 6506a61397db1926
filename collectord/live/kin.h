/* collectord/live/kin.h - which process of this machine it is that took an entry in a region.
 *
 * What an entry says is hostile, and a pid may be one of another pid namespace.  A process is believed to be the
 * one if it has this very region mapped; where that cannot be seen (another user's process), if it is of the
 * session's user or a child of the process named as its parent.  Reads /proc; a search takes as long as there are
 * children, or where a pid namespace has to be searched processes: who asks sees to it that there are few. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct kin {
	uint32_t pid;        /* as it says */
	uint32_t parent;     /* its parent as we see it, or 0 */
	uint64_t region_ino; /* inode of the region's memfd */
	bool is_nested;      /* look into other pid namespaces everywhere, not only below `parent` */
	uint32_t max_looks;  /* of one search; 0 = the usual number */
	bool no_search;      /* but look at `pid` only: searches have taken too long already */
};

/* Find it.  0: *ret_pid is its pid for us and *ret_pidfd ours to close.  -ESRCH: it is dead.
 * Another -errno: it may live, but it cannot be told or watched. */
int kin_find(const struct kin *k, uint32_t *ret_pid, int *ret_pidfd);

/* Has the process behind `pidfd` ended? */
bool kin_is_dead(int pidfd);

/* Is process `pid` in a pid namespace below ours? */
bool kin_is_nested(uint32_t pid);

/* Whose process `pid` is now: its effective user.  0, or -EPERM: not for us to see. */
int kin_user(uint32_t pid, uint32_t *ret_uid);

/* When process `pid` began, in the kernel's ticks: with the pid it says which process it is.  0: not for us to see.
 */
uint64_t kin_started(uint32_t pid);

/* The process that began at `ticks` under this pid, watched again.  0; -ESRCH: it is dead; another -errno. */
int kin_reopen(uint32_t pid, uint64_t ticks, int *ret_pidfd);
