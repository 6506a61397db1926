/* collectord/live/offload.c - see offload.h. */
#include "collectord/live/offload.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/live/loop.h"
#include "collectord/live/memfd.h"
#include "collectord/profile/write_all.h"

#define DEADLINE_MS 60000

struct offload {
	struct loop *loop;
	pid_t pid;
	int pidfd, fd;
	struct loop_watch *watch;
	struct loop_timer *deadline;
	offload_done *done;
	void *done_arg;
};

static void work(int fd, pid_t parent, offload_make *make, const void *arg)
{
	void *buf = NULL;
	size_t len = 0;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EIO);
	r = make(arg, &buf, &len);
	if (!r)
		r = write_all(fd, buf, len);
	_exit(r ? -r & 0xff : 0);
}

static void offload_free(struct offload *w)
{
	loop_unwatch(w->watch);
	loop_timer_free(w->deadline);
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static int reap(const struct offload *w)
{
	int status = 0;

	while (waitpid(w->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -EIO;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static void on_end(void *arg, short revents)
{
	struct offload *w = arg;
	offload_done *done = w->done;
	void *done_arg = w->done_arg;
	int r = reap(w), fd = r ? -1 : w->fd;

	(void)revents;
	if (!r)
		w->fd = -1;
	offload_free(w);
	done(done_arg, r, fd);
}

/* Its end is seen as any other. */
static void on_deadline(void *arg)
{
	struct offload *w = arg;

	kill(w->pid, SIGKILL);
}

/* 0 or -errno; a copy that cannot be watched is ended. */
static int watch(struct offload *w)
{
	w->pidfd = pidfd_open(w->pid, 0);
	if (w->pidfd >= 0)
		w->watch = loop_watch_fd(w->loop, w->pidfd, POLLIN, on_end, w);
	if (w->watch)
		return 0;
	kill(w->pid, SIGKILL);
	reap(w);
	return -EMFILE;
}

int offload_start(struct loop *loop, offload_make *make, const void *make_arg, offload_done *done, void *done_arg,
		  struct offload **ret)
{
	struct offload *w = calloc(1, sizeof(*w));
	pid_t self = getpid();
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct offload){ .loop = loop, .pidfd = -1, .done = done, .done_arg = done_arg };
	w->fd = memfd_new("heaptap snapshot");
	w->deadline = loop_timer_new(loop, on_deadline, w);
	w->pid = w->fd >= 0 && w->deadline ? fork() : -1;
	if (w->pid == 0)
		work(w->fd, self, make, make_arg);
	r = w->pid < 0 ? -EAGAIN : watch(w);
	if (r) {
		offload_free(w);
		return r;
	}
	loop_timer_set(w->deadline, DEADLINE_MS);
	*ret = w;
	return 0;
}

void offload_cancel(struct offload *w)
{
	if (!w)
		return;
	kill(w->pid, SIGKILL);
	reap(w);
	offload_free(w);
}
