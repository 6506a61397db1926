/* collectord/live/retain.h - which snapshots stay: an index of all there are below a directory, and limits.
 *
 * Per directory a number of periodic ones; per user and in all a number of files and of bytes.  Above a limit the
 * oldest go; above one for all, those of the user who has the most of it, so that nobody's flood costs another's
 * snapshots.  The newest of a running program is held and never goes.  Whose a file is stands in its directory's
 * name.  One thread; system calls only to remove, a batch at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/fault.h"

struct loop;
struct retain;
struct retain_dir;
struct retain_file;

struct retain_limits { /* 0 = none */
	uint64_t bytes, bytes_per_user;
	uint32_t files, files_per_user;
	uint32_t keep; /* periodic snapshots of a directory */
};

#define RETAIN_NOBODY UINT32_MAX /* the user of directories that name none */

/* Name of the directory of one process of user `uid`. */
void retain_dir_name(char *buf, size_t size, uint32_t uid, uint64_t session, uint32_t pid);

/* Index what is below `dirfd`, remove the temporary files that an earlier collector left, and begin to enforce.
 * `dirfd` stays the caller's.  0 or -ENOMEM. */
int retain_new(struct loop *loop, int dirfd, const struct retain_limits *limits, struct retain **ret);
void retain_free(struct retain *r); /* takes NULL; the files stay */

void retain_set_limits(struct retain *r, const struct retain_limits *limits);

/* Directory `name` ("" = the one above all) is in use: it is not removed until it is released.  NULL: no memory. */
struct retain_dir *retain_open(struct retain *r, const char *name);
void retain_close(struct retain_dir *d); /* takes NULL */

/* A file was written into it.  It is held until it is released.  NULL: no memory, it stays for good. */
struct retain_file *retain_add(struct retain_dir *d, const char *name, uint64_t bytes);
void retain_release(struct retain_file *f); /* takes NULL */

/* The file at `path` below the directory above all is held, as if it had been written just now.  NULL: it is gone.
 */
struct retain_file *retain_hold(struct retain *r, const char *path);

/* The newest of each process of session `session` stays as long as the index does: nobody will write another. */
void retain_hold_session(struct retain *r, uint64_t session);

/* Limits wait: not all files that have to be held are yet. */
void retain_wait(struct retain *r, bool wait);

struct retain_counts {
	uint64_t files, bytes;
	uint64_t removed;
	uint64_t errors; /* files that could not be removed */
};
void retain_count(const struct retain *r, struct retain_counts *ret);
