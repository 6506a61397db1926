/* collectord/live/loop_uring.c - the io_uring backend (liburing).
 *
 * Watches are one-shot polls, armed again after each callback: that is what makes them level-triggered (a multishot
 * poll reports edges).  All arming waits for the next submission, so a turn costs one io_uring_enter.
 * A file is opened first, then written by one chain of linked requests: write -> fsync -> renameat -> fsync of the
 * directory.  A short write breaks the chain (io_uring_enter(2), IOSQE_IO_LINK), so nothing incomplete is renamed.
 * Memory named by a request stays until its completion was seen: `armed`, `in_flight`. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collectord/live/loop_impl.h"

#define ENTRIES 256
#define MAX_WRITE (1u << 30) /* bytes per request; the rest follows like after a short write */

struct uring_io {
	struct io_uring ring;
	struct watch_list watches; /* to arm, to cancel or to free */
	struct write_list writes;  /* to submit (again) */
	size_t in_flight;
};

static const int needed_ops[] = {
	IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_OPENAT,
	IORING_OP_WRITE,    IORING_OP_FSYNC,        IORING_OP_RENAMEAT,
};

/* Everything we use, and waiting with a timeout (5.11) and completions that are never dropped (5.5). */
static bool kernel_suffices(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool ok = probe && ring->features & IORING_FEAT_EXT_ARG && ring->features & IORING_FEAT_NODROP;

	for (size_t i = 0; ok && i < ARRAY_SIZE(needed_ops); i++)
		ok = io_uring_opcode_supported(probe, needed_ops[i]);
	io_uring_free_probe(probe);
	return ok;
}

static int uring_open(struct loop *l)
{
	struct uring_io *io = calloc(1, sizeof(*io));
	int r;

	if (!io)
		return -ENOMEM;
	STAILQ_INIT(&io->watches);
	STAILQ_INIT(&io->writes);
	r = io_uring_queue_init(ENTRIES, &io->ring, 0);
	if (r) {
		free(io);
		return r;
	}
	if (!kernel_suffices(&io->ring)) {
		io_uring_queue_exit(&io->ring);
		free(io);
		return -EOPNOTSUPP;
	}
	l->io = io;
	return 0;
}

static void uring_close(struct loop *l)
{
	struct uring_io *io = l->io;

	io_uring_queue_exit(&io->ring);
	free(io);
}

static void enqueue_watch(struct loop_watch *w)
{
	struct uring_io *io = w->loop->io;

	if (w->queued)
		return;
	w->queued = true;
	STAILQ_INSERT_TAIL(&io->watches, w, next);
}

/* Says nothing about the descriptor: no memory for the poll, or interrupted.  It is asked again. */
static bool is_passing(int res)
{
	return res == -ENOMEM || res == -EAGAIN || res == -EINTR || res == -ECANCELED;
}

static void poll_done(struct loop_op *op, int res)
{
	struct loop_watch *w = container_of(op, struct loop_watch, op);

	w->armed = false;
	if (!w->dead && !is_passing(res))
		w->fn(w->arg, res < 0 ? POLLERR : (short)res);
	enqueue_watch(w);
}

static int uring_watch(struct loop_watch *w)
{
	/* What epoll refuses at once must not become an endless POLLERR here. */
	if (fcntl(w->fd, F_GETFD) < 0)
		return -errno;
	w->op.done = poll_done;
	enqueue_watch(w);
	return 0;
}

/* True if `n` requests fit into one submission, made room for if need be. */
static bool room_for(struct uring_io *io, unsigned n)
{
	if (io_uring_sq_space_left(&io->ring) < n)
		io_uring_submit(&io->ring);
	return io_uring_sq_space_left(&io->ring) >= n;
}

/* After the prep function: `op` is the kernel's until its `done` was called. */
static void hand_over(struct uring_io *io, struct io_uring_sqe *sqe, struct loop_op *op)
{
	io_uring_sqe_set_data(sqe, op);
	io->in_flight++;
}

static void flush_watch(struct uring_io *io, struct loop_watch *w)
{
	w->queued = false;
	if (w->dead && !w->armed) {
		free(w);
	} else if (w->dead) {
		/* Its own completion has no owner; the poll's follows in any case. */
		struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

		io_uring_prep_cancel(sqe, &w->op, 0);
		io_uring_sqe_set_data(sqe, NULL);
	} else if (!w->armed) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

		io_uring_prep_poll_add(sqe, w->fd, (unsigned short)w->events);
		hand_over(io, sqe, &w->op);
		w->armed = true;
	}
}

static void flush_watches(struct uring_io *io)
{
	struct loop_watch *w;

	while ((w = STAILQ_FIRST(&io->watches)) && room_for(io, 1)) {
		STAILQ_REMOVE_HEAD(&io->watches, next);
		flush_watch(io, w);
	}
}

static void enqueue_write(struct loop_write *w)
{
	struct uring_io *io = w->loop->io;

	STAILQ_INSERT_TAIL(&io->writes, w, next);
}

static void opened(struct loop_op *op, int res)
{
	struct loop_write *w = container_of(op, struct write_op, op)->write;

	int r = loop_write_opened(w, res);

	if (r > 0)
		enqueue_write(w);
	else
		loop_write_finished(w, r);
}

/* One link of the chain completed; the last completion judges them all in order. */
static void link_done(struct loop_op *op, int res)
{
	struct write_op *o = container_of(op, struct write_op, op);
	struct loop_write *w = o->write;
	int r = 1;

	o->res = res;
	if (--w->in_flight)
		return;
	for (unsigned at = w->step; r > 0 && w->step == at && at < WRITE_STEPS; at++)
		r = loop_write_step(w, w->ops[at].res);
	if (r > 0)
		enqueue_write(w);
	else
		loop_write_finished(w, r);
}

static void prepare_step(struct loop_write *w, unsigned step, struct io_uring_sqe *sqe)
{
	size_t left = w->len - w->written;

	switch (step) {
	case WRITE_DATA:
		io_uring_prep_write(sqe, w->fd, w->buf + w->written,
				    (unsigned)(left < MAX_WRITE ? left : MAX_WRITE), w->written);
		break;
	case WRITE_FSYNC:
		io_uring_prep_fsync(sqe, w->fd, 0);
		break;
	case WRITE_RENAME:
		io_uring_prep_renameat(sqe, w->dirfd, w->temporary, w->dirfd, w->name, 0);
		break;
	case WRITE_SYNC_DIR:
		io_uring_prep_fsync(sqe, w->dirfd, 0);
		break;
	}
}

/* How far one chain reaches: a write that cannot take the rest is not followed by anything. */
static unsigned chain_end(const struct loop_write *w)
{
	return w->step == WRITE_DATA && w->len - w->written > MAX_WRITE ? WRITE_FSYNC : WRITE_STEPS;
}

static void submit_chain(struct uring_io *io, struct loop_write *w)
{
	unsigned end = chain_end(w);

	w->in_flight = end - w->step;
	for (unsigned step = w->step; step < end; step++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

		prepare_step(w, step, sqe);
		if (step + 1 < end)
			sqe->flags |= IOSQE_IO_LINK;
		w->ops[step] = (struct write_op){ .op.done = link_done, .write = w };
		hand_over(io, sqe, &w->ops[step].op);
	}
}

static void submit_open(struct uring_io *io, struct loop_write *w)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

	io_uring_prep_openat(sqe, w->dirfd, w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			     w->mode);
	w->ops[0] = (struct write_op){ .op.done = opened, .write = w };
	hand_over(io, sqe, &w->ops[0].op);
}

static void flush_writes(struct uring_io *io)
{
	struct loop_write *w;

	while ((w = STAILQ_FIRST(&io->writes)) && room_for(io, WRITE_STEPS)) {
		STAILQ_REMOVE_HEAD(&io->writes, next);
		if (w->fd < 0)
			submit_open(io, w);
		else
			submit_chain(io, w);
	}
}

static int submit_and_wait(struct uring_io *io, int64_t timeout_ns)
{
	struct __kernel_timespec ts = { .tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000 };
	struct io_uring_cqe *cqe;
	int r;

	if (timeout_ns == 0)
		r = io_uring_submit_and_get_events(&io->ring);
	else
		r = io_uring_submit_and_wait_timeout(&io->ring, &cqe, 1, timeout_ns < 0 ? NULL : &ts, NULL);
	/* EBUSY, EAGAIN: the kernel wants completions reaped or memory freed first; what is queued stays queued. */
	if (r >= 0 || r == -ETIME || r == -EINTR || r == -EBUSY || r == -EAGAIN)
		return 0;
	return r;
}

static int uring_wait(struct loop *l, int64_t timeout_ns)
{
	struct uring_io *io = l->io;
	int r;

	flush_watches(io);
	flush_writes(io);
	if (l->closing && io->in_flight == 0) /* the flush freed the last: nothing will ever wake us */
		return 0;
	r = submit_and_wait(io, timeout_ns);
	/* Only what is there now: callbacks cannot keep this turn going. */
	for (unsigned n = io_uring_cq_ready(&io->ring); n; n--) {
		struct io_uring_cqe *cqe;
		struct loop_op *op;
		int res;

		if (io_uring_peek_cqe(&io->ring, &cqe))
			break;
		op = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&io->ring, cqe);
		if (!op)
			continue;
		io->in_flight--;
		op->done(op, res);
	}
	return r;
}

static bool uring_idle(const struct loop *l)
{
	const struct uring_io *io = l->io;

	return io->in_flight == 0 && STAILQ_EMPTY(&io->watches) && STAILQ_EMPTY(&io->writes);
}

const struct loop_backend loop_uring = {
	.name = "io_uring",
	.open = uring_open,
	.close = uring_close,
	.watch = uring_watch,
	.unwatch = enqueue_watch,
	.write = enqueue_write,
	.wait = uring_wait,
	.idle = uring_idle,
};
