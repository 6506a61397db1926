/* collectord/http/worker.h - a process that does one slow and dangerous task: symbols are read from files that
 * foreign programs name.
 *
 * The worker is this program, executed afresh (worker_main.c): it shares no memory with the collector, inherits two
 * descriptors, has its own limits and may only read.  It answers in a memfd that is sealed when it has ended.  One
 * that takes too long is killed.  Everything happens in loop callbacks, one thread. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "collectord/http/task.h"
#include "collectord/live/loop.h"

#define WORKER_MAX_ANSWER_MB 256

struct workers; /* of one loop */
struct worker;

/* At most `max` processes at a time, those included that were killed and have not ended yet.  NULL: no memory. */
struct workers *workers_new(struct loop *loop, unsigned max);
void workers_free(struct workers *all); /* takes NULL; kills what runs */
bool workers_are_busy(const struct workers *all);

/* Bytes of an answer, mapped read-only; bytes_done() unmaps them. */
struct bytes {
	void *at; /* NULL if there are none */
	size_t len;
};
void bytes_done(struct bytes *b);

/* Start a worker.  `done` is called once, from the loop: 0 and the answer, which becomes the callee's, or -errno:
 * -ETIMEDOUT after `deadline_ms`, -EFBIG if the answer is too large, -EIO if it failed otherwise or was killed.
 * *ret is gone then.  0 or -errno. */
int worker_start(struct workers *all, const struct task *t, const struct task_parts *parts, int deadline_ms,
		 void (*done)(void *arg, int result, struct bytes answer), void *arg, struct worker **ret);

/* Kill it and forget about it: `done` is not called.  Takes NULL. */
void worker_cancel(struct worker *w);

/* First thing in main(): was this process started as a worker?  Then it does its task and does not return. */
void worker_main_if_asked(int argc, char **argv);

/* Which program is started instead of /proc/self/exe: for tests that link this room. */
extern const char *worker_program;
