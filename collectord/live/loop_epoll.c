/* collectord/live/loop_epoll.c - the fallback backend: epoll, writes step by step between turns.
 *
 * A watch unwatched during a batch may stand later in the same batch, so its memory stays until the batch is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "collectord/live/clock.h"
#include "collectord/live/loop_impl.h"

#define BATCH 64
#define WRITE_NS 10000000 /* of a turn, for writes; one step may take longer */

struct epoll_io {
	int fd;
	bool dispatching;
	struct watch_list dead; /* to be freed after the batch */
	struct write_list writes;
};

static int epoll_open(struct loop *l)
{
	struct epoll_io *io = calloc(1, sizeof(*io));

	if (!io)
		return -ENOMEM;
	STAILQ_INIT(&io->dead);
	STAILQ_INIT(&io->writes);
	io->fd = epoll_create1(EPOLL_CLOEXEC);
	if (io->fd < 0) {
		int r = -errno;

		free(io);
		return r;
	}
	l->io = io;
	return 0;
}

static void epoll_close(struct loop *l)
{
	struct epoll_io *io = l->io;

	close(io->fd);
	free(io);
}

/* poll's and epoll's bits have the same values on Linux (include/uapi/linux/eventpoll.h). */
static int epoll_watch(struct loop_watch *w)
{
	struct epoll_io *io = w->loop->io;
	struct epoll_event e = { .events = (uint32_t)(unsigned short)w->events, .data.ptr = w };

	return epoll_ctl(io->fd, EPOLL_CTL_ADD, w->fd, &e) ? -errno : 0;
}

static void epoll_unwatch(struct loop_watch *w)
{
	struct epoll_io *io = w->loop->io;

	epoll_ctl(io->fd, EPOLL_CTL_DEL, w->fd, NULL);
	if (io->dispatching)
		STAILQ_INSERT_TAIL(&io->dead, w, next);
	else
		free(w);
}

static void dispatch(struct epoll_io *io, struct epoll_event *events, int n)
{
	struct loop_watch *w;

	io->dispatching = true;
	for (int i = 0; i < n; i++) {
		w = events[i].data.ptr;
		if (!w->dead)
			w->fn(w->arg, (short)events[i].events);
	}
	io->dispatching = false;
	while ((w = STAILQ_FIRST(&io->dead))) {
		STAILQ_REMOVE_HEAD(&io->dead, next);
		free(w);
	}
}

static int step(struct loop_write *w)
{
	ssize_t r = 0;

	switch (w->step) {
	case WRITE_DATA:
		r = write(w->fd, w->buf + w->written, w->len - w->written);
		break;
	case WRITE_FSYNC:
		r = fsync(w->fd);
		break;
	case WRITE_RENAME:
		r = renameat(w->dirfd, w->temporary, w->dirfd, w->name);
		break;
	case WRITE_SYNC_DIR:
		r = fsync(w->dirfd);
		break;
	}
	return loop_write_step(w, r < 0 ? -errno : (int)r);
}

static int open_temporary(struct loop_write *w)
{
	int fd = openat(w->dirfd, w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, w->mode);

	return loop_write_opened(w, fd < 0 ? -errno : fd);
}

/* One write after another, and not for long: a disk may be slow, and many dead processes are saved at once. */
static void write_some(struct epoll_io *io)
{
	uint64_t until = clock_read_ns(CLOCK_MONOTONIC) + WRITE_NS;
	struct loop_write *w;

	while ((w = STAILQ_FIRST(&io->writes))) {
		int r = w->fd < 0 ? open_temporary(w) : step(w);

		if (r <= 0) {
			STAILQ_REMOVE_HEAD(&io->writes, next);
			loop_write_finished(w, r);
		}
		if (clock_read_ns(CLOCK_MONOTONIC) > until)
			return;
	}
}

static int epoll_wait_turn(struct loop *l, int64_t timeout_ns)
{
	struct epoll_io *io = l->io;
	struct epoll_event events[BATCH];
	/* Rounded up: a timer must be due when the wait for it ends. */
	int64_t ms = !STAILQ_EMPTY(&io->writes) ? 0 : timeout_ns < 0 ? -1 : (timeout_ns + 999999) / 1000000;
	int n = epoll_wait(io->fd, events, BATCH, ms > INT_MAX ? INT_MAX : (int)ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	dispatch(io, events, n);
	write_some(io);
	return 0;
}

static void epoll_write(struct loop_write *w)
{
	struct epoll_io *io = w->loop->io;

	STAILQ_INSERT_TAIL(&io->writes, w, next);
}

static bool epoll_idle(const struct loop *l)
{
	const struct epoll_io *io = l->io;

	return STAILQ_EMPTY(&io->writes);
}

const struct loop_backend loop_epoll = {
	.name = "epoll",
	.open = epoll_open,
	.close = epoll_close,
	.watch = epoll_watch,
	.unwatch = epoll_unwatch,
	.write = epoll_write,
	.wait = epoll_wait_turn,
	.idle = epoll_idle,
};
