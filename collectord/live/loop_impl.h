/* collectord/live/loop_impl.h - what loop.c and its two backends share; nobody else includes this.
 *
 * loop.c owns timers, the list of finished writes and the rules; a backend only waits on descriptors and moves
 * bytes.  Lifetime rule: a struct loop_watch or loop_write is freed by the backend, when it knows that the kernel
 * holds no reference to it any more. */
#pragma once

#include <sys/queue.h>

#include "collectord/live/loop.h"

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* One request in the kernel's hands; `done` gets its completion. */
struct loop_op {
	void (*done)(struct loop_op *op, int res);
};

struct loop_watch {
	struct loop *loop;
	int fd;
	short events;
	void (*fn)(void *arg, short revents);
	void *arg;
	bool dead;   /* unwatched: fn is not called again */
	bool armed;  /* the kernel holds `op` */
	bool queued; /* stands in loop.queue */
	struct loop_op op;
	STAILQ_ENTRY(loop_watch) next;
};

/* The steps of a whole-file write, in order; each is repeatable until it succeeded once. */
enum write_step {
	WRITE_DATA,
	WRITE_FSYNC,
	WRITE_RENAME,
	WRITE_SYNC_DIR,
	WRITE_STEPS,
};

struct write_op {
	struct loop_op op;
	struct loop_write *write;
	int res;
};

struct loop_write {
	struct loop *loop;
	int dirfd; /* ours: duplicated */
	int fd;    /* temporary file, -1 before it is open */
	unsigned mode;
	char *buf;
	bool is_mapped; /* else malloc'ed */
	size_t len, written;
	unsigned step;      /* the first one not yet done */
	unsigned in_flight; /* requests the kernel holds */
	unsigned repeats;   /* of steps that were interrupted */
	struct write_op ops[WRITE_STEPS];
	void (*fn)(void *arg, int result);
	void *arg;
	int result;
	STAILQ_ENTRY(loop_write) next;
	char *temporary; /* behind `name` in the same block */
	char name[];
};

STAILQ_HEAD(watch_list, loop_watch);
STAILQ_HEAD(write_list, loop_write);

struct loop_backend {
	const char *name;
	int (*open)(struct loop *l); /* -errno: the kernel refuses this backend */
	void (*close)(struct loop *l);
	int (*watch)(struct loop_watch *w);
	void (*unwatch)(struct loop_watch *w);           /* frees w, at once or after its last completion */
	void (*write)(struct loop_write *w);             /* ends in loop_write_finished() */
	int (*wait)(struct loop *l, int64_t timeout_ns); /* -1 = forever; runs watches' callbacks */
	bool (*idle)(const struct loop *l);              /* nothing in the kernel's hands or queued for it */
};

extern const struct loop_backend loop_uring, loop_epoll;

struct loop {
	const struct loop_backend *backend;
	void *io;                                 /* the backend's own */
	struct loop_timer **timers;               /* binary heap by deadline */
	size_t n_timers, made_timers, cap_timers; /* armed; existing; room */
	struct write_list finished;               /* results that wait for their callback */
	bool closing;                             /* in loop_free() */
};

/* Judge the outcome `res` of w->step and move on.  1: go on with w->step; else 0 or -errno: the write is over.
 * EINTR, EAGAIN, ECANCELED (a broken chain) and short writes repeat the step. */
int loop_write_step(struct loop_write *w, int res);

/* The same of the temporary file's opening, which comes before all steps: `res` is its descriptor or -errno. */
int loop_write_opened(struct loop_write *w, int res);

/* The write is over: remove what must not stay, queue its callback. */
void loop_write_finished(struct loop_write *w, int result);
