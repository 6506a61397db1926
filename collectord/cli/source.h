/* collectord/cli/source.h - from what a user calls SOURCE to a profile with names.
 *
 * SOURCE is a snapshot, a directory of snapshots (the newest is meant), or a directory above exactly one such. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/profile.h"
#include "collectord/profile/shared_error.h"

/* Path of the snapshot that `source` means, malloc'ed.  0, or -errno with a fault. */
int source_resolve(const char *source, char **ret_path, struct fault *f);

/* What a profile does not say of its snapshot. */
struct source_peak {
	bool is_snapshot; /* nothing is known of other files */
	bool is_live;     /* of a running program, made for us */
	bool is_shared;   /* the other profile of a difference shares samples with it that are not known */
	bool is_peak;     /* in-use values are those of the moment when most was in use */
	double bytes;
	uint64_t elapsed_ns; /* since the start */
	struct profile_moment moment;
};

/* Read the snapshot (or pprof profile) `path`, convert and symbolize it; in-use values are those of the peak if
 * `peak`. A progress line appears on a terminal when naming takes long. */
int source_load(const char *path, bool peak, struct profile **ret, struct source_peak *ret_peak, struct fault *f);

/* The one operand of a command that takes one SOURCE, resolved and loaded.  An exit status: EXIT_OK, or another
 * after saying why. */
int source_open_operand(const char *command, int n, char **operands, bool peak, struct profile **ret,
			struct source_peak *ret_peak);

/* Directories of other programs in directory `source`, those with the highest peaks first, as words for people:
 * "a/b (3.1 MB at its peak), a/c (1 MB at its peak)"; "" if there are none. */
void source_list_below(const char *source, char *buf, size_t size);

/* A profile in one of pprof's formats.  0; 1 if the file is none of them; -errno with a fault. */
int source_load_pprof(const char *path, struct profile **ret, struct fault *f);

/* Keep a profile that was fetched, as `go tool pprof` does: in $PPROF_TMPDIR, ~/pprof or the temporary directory,
 * under a name of its own, told on stderr.  That it cannot be kept is told, too, and no failure. */
void source_save(const struct profile *p);

/* DIR@NUMBER, DIR@peak, DIR@final.  0; 1 if `source` is none of them; -errno with a fault. */
int source_resolve_at(const char *source, char **ret_path, struct fault *f);
