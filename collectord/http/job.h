/* collectord/http/job.h - profiles under way: snapshots taken on the loop, turned into answers by workers.
 *
 * A job waits for its turn (users one after another, with pauses: encoding a snapshot takes the loop's time), takes
 * a snapshot, for a difference another one seconds later, and gives them to a worker.  A worker that dies over
 * symbols costs the names, not the answer: another one does without.  One thread, everything in loop callbacks. */
#pragma once

#include "collectord/http/worker.h"
#include "collectord/live/collector.h"

struct jobs;
struct job;

enum job_end {
	JOB_DONE,   /* with bytes */
	JOB_ENDED,  /* the process did, before its snapshot was taken */
	JOB_BUSY,   /* no turn came in time */
	JOB_LARGE,  /* the answer is larger than answers may be */
	JOB_FAILED, /* out of memory, or the worker failed twice */
};

struct job_request {
	enum task_kind kind;
	uint32_t flags; /* TASK_*; TASK_NAMES where names can be had */
	uint64_t session;
	uint32_t pid, uid; /* the process and its user */
	uint32_t viewer;   /* the user who asks */
	int64_t seconds;   /* 0 = now; else the difference over so many */
	const char *addresses;
	size_t n_addresses; /* bytes of that text; it must last as long as the job */
};

/* cache: a folder for answers about symbols, or NULL; it must last.  NULL: no memory. */
struct jobs *jobs_new(struct loop *loop, struct collector *c, const char *cache);
void jobs_free(struct jobs *all); /* takes NULL; drops what is under way */

/* Tells `done` once, later, unless cancelled before; the bytes become the callee's.  0, -EBUSY or -ENOMEM. */
int job_start(struct jobs *all, const struct job_request *q,
	      void (*done)(void *arg, enum job_end how, struct bytes answer), void *arg, struct job **ret);
void job_cancel(struct job *j); /* takes NULL */
