/* collectord/live/retain_impl.h - between retain.c and retain_scan.c: what the index consists of. */
#pragma once

#include <sys/queue.h>

#include "collectord/live/retain.h"

struct retain_file {
	TAILQ_ENTRY(retain_file) in_dir, in_user; /* oldest first */
	struct retain_dir *dir;
	uint64_t bytes;
	bool is_periodic;
	bool is_held;
	char name[];
};

struct retain_user {
	LIST_ENTRY(retain_user) link;
	uint32_t uid;
	uint64_t n_files, bytes;
	TAILQ_HEAD(retain_files, retain_file) files;
};

struct retain_dir {
	struct retain *retain;
	struct retain_user *user;
	char *name;
	unsigned users; /* who has it open */
	uint32_t n_periodic;
	struct retain_files files;
};

struct retain {
	int dirfd; /* borrowed */
	struct retain_limits limits;
	struct retain_counts counts;
	struct loop_timer *timer; /* to enforce the limits */
	bool is_waiting;          /* retain_wait() */
	void *dirs;               /* tree of struct retain_dir by name */
	LIST_HEAD(, retain_user) users;
};

/* One more file, the youngest so far.  NULL: no memory. */
struct retain_file *retain_note(struct retain_dir *d, const char *name, uint64_t bytes);

/* Note what is on disk.  0 or -ENOMEM; what cannot be read is left alone. */
int retain_scan(struct retain *r);
