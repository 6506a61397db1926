/* collectord/http/task.h - what a worker process is asked to make, and how that is handed to it.
 *
 * A sealed memfd holds a struct task and its parts behind it, in order.  Written by worker.c, read by
 * worker_main.c: one program, so both sides agree; still every length is checked. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "collectord/live/procmem.h"
#include "collectord/profile/fault.h"

#define TASK_MAGIC 0x314b534154505448ull /* "HTPTASK1" */

enum task_kind {
	TASK_PPROF,    /* gzip'ed protobuf */
	TASK_GOTEXT,   /* ?debug=1 */
	TASK_HEAPTEXT, /* for google-pprof and jeprof */
	TASK_SYMBOL,   /* "num_symbols: 1", then names for TASK_ADDRESSES */
	TASK_CMDLINE,  /* argv joined by NUL */
};

#define TASK_NAMES 1u     /* read symbols: what may take long, or kill a worker */
#define TASK_PEAK 2u      /* in-use values of the moment when most was in use */
#define TASK_ALLOCATED 4u /* the reader's first view is what was allocated, not what is in use */
#define TASK_LIMIT 8u     /* no larger than the strictest servers accept (pprof_limit.h) */

enum task_part {
	TASK_BEFORE,    /* snapshot to subtract; empty: none */
	TASK_SNAPSHOT,  /* snapshot of the process */
	TASK_ADDRESSES, /* text: numbers joined by '+' */
	TASK_CACHE,     /* path of the folder of answers (symbol_cache.h) with its NUL; empty: none */
	TASK_PARTS,
};

struct task {
	uint64_t magic;
	uint32_t kind;     /* enum task_kind */
	uint32_t flags;    /* TASK_* */
	uint32_t pid, uid; /* whose heap it is: files are opened as this user */
	uint64_t len[TASK_PARTS];
};

struct task_parts {
	const void *at[TASK_PARTS];
	/* What the worker adds, before it gives up its rights: */
	const char *cache;            /* TASK_CACHE, if it may write there; NULL = none */
	const struct procmem *memory; /* of the process, for TASK_GOTEXT; NULL = unknown */
};

/* Do it: write the answer's bytes into `out`.  0 or -errno, with a fault when there is something to say. */
int task_perform(const struct task *t, const struct task_parts *parts, FILE *out, struct fault *f);
