/* collectord/live/save.h - snapshots of one process onto disk: when and under which name; which stay: retain.h.
 *
 * One write at a time per process; what is asked for meanwhile is remembered, once per reason.  Files are
 * NNNN-REASON.heaptap, numbered within their directory, which processes may share (a shell that executes the
 * program it starts).  Errors are counted in save_env and told to the owner, who decides about another try. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "collectord/profile/snapshot.h"

struct loop;
struct loop_timer;
struct process;
struct retain;
struct retain_file;
struct save_dir;
struct save_write;

/* Shared by a collector's sessions. */
struct save_env {
	struct loop *loop;
	int out_fd;          /* the directory everything goes below */
	const char *out_dir; /* its name, for messages and to find it again */
	struct retain *retain;
	LIST_HEAD(, save_dir) dirs;
	unsigned n_offloads; /* copies of us that encode */
	uint64_t errors;
	char last_error[512];
};

struct saver {
	struct save_env *env;
	struct process *process;
	void (*on_done)(struct process *p, enum snapshot_reason why, int result);
	struct save_dir *dir;       /* opened by the first snapshot */
	char subdir[128];           /* below out_dir; "" = out_dir */
	char last[192];             /* path below out_dir of the newest snapshot, or "" */
	char writing[64];           /* name of the file being written */
	struct loop_timer *kick;    /* starts what is wanted: never from inside the caller */
	struct save_write *write;   /* in flight, or NULL */
	enum snapshot_reason why;   /* of the one in flight */
	unsigned wanted;            /* 1 << reason */
	uint32_t seq;               /* snapshots written */
	uint32_t number;            /* of the file being written */
	uint64_t len;               /* its bytes */
	struct retain_file *newest; /* held, so that it stays */
};

/* `subdir` is checked: one name, or "".  0, -EINVAL, -ENOMEM. */
int saver_init(struct saver *v, struct save_env *env, struct process *p, const char *subdir,
	       void (*on_done)(struct process *p, enum snapshot_reason why, int result));
void saver_done(struct saver *v); /* takes a zeroed one; a write in flight goes on without us */

/* Go on where a predecessor stopped: after `seq` snapshots, the newest at `last` below out_dir. */
void saver_resume(struct saver *v, uint32_t seq, const char *last);

/* The newest one, if a predecessor wrote it, stays as if we had. */
void saver_hold(struct saver *v);

/* Take a snapshot as soon as the one being written, if any, is done. */
void saver_want(struct saver *v, enum snapshot_reason why);
