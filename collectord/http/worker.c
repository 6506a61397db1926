/* collectord/http/worker.c - start a worker, wait for its end, take its answer; see worker.h. */
#include "collectord/http/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/http/worker_impl.h"
#include "collectord/live/memfd.h"
#include "collectord/profile/write_all.h"

#define SPARE_FD 16 /* above those a worker gets, so that placing one overwrites no other */

extern char **environ;
const char *worker_program = "/proc/self/exe";

struct workers {
	struct loop *loop;
	unsigned n, max;
	LIST_HEAD(, worker) list;
};

struct worker {
	LIST_ENTRY(worker) link;
	struct workers *all;
	pid_t pid;
	int pidfd, answer;
	struct loop_watch *watch;
	struct loop_timer *deadline;
	void (*done)(void *arg, int result, struct bytes answer); /* NULL: nobody waits for it any more */
	void *arg;
};

void bytes_done(struct bytes *b)
{
	if (b->at)
		munmap(b->at, b->len);
	*b = (struct bytes){ 0 };
}

/* --- the task's and the answer's memory ---------------------------------------------------------------------- */

static int spare_memfd(const char *name)
{
	int fd = memfd_new(name), high;

	if (fd < 0)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, SPARE_FD);
	if (high < 0)
		high = -errno;
	close(fd);
	return high;
}

static int write_task(const struct task *t, const struct task_parts *parts)
{
	int fd = spare_memfd("heaptap task"), r;

	if (fd < 0)
		return fd;
	r = write_all(fd, t, sizeof(*t));
	for (int i = 0; i < TASK_PARTS && !r; i++)
		r = write_all(fd, parts->at[i], t->len[i]);
	if (r)
		close(fd);
	return r ? r : fd;
}

/* Sealed first: the worker is dead, and nobody else may change what we hand on. */
static int take_answer(int fd, struct bytes *ret)
{
	struct stat st;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) || fstat(fd, &st))
		return -errno;
	*ret = (struct bytes){ .len = (size_t)st.st_size };
	if (!ret->len)
		return 0;
	ret->at = mmap(NULL, ret->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (ret->at != MAP_FAILED)
		return 0;
	*ret = (struct bytes){ 0 };
	return -errno;
}

/* --- the process --------------------------------------------------------------------------------------------- */

/* What a worker must not have: our own shim, and servers to ask for debug files. */
static char **environment(void)
{
	size_t n = 0, kept = 0;
	char **ret;

	while (environ[n])
		n++;
	ret = calloc(n + 1, sizeof(*ret));
	for (size_t i = 0; ret && i < n; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) && strncmp(environ[i], "DEBUGINFOD_URLS=", 16))
			ret[kept++] = environ[i];
	return ret;
}

static int add_files(posix_spawn_file_actions_t *a, int task, int answer)
{
	int r = posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && !r; fd++)
		r = posix_spawn_file_actions_addopen(a, fd, "/dev/null", O_WRONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(a, task, WORKER_TASK_FD);
	if (!r)
		r = posix_spawn_file_actions_adddup2(a, answer, WORKER_ANSWER_FD);
	return r;
}

/* The collector's signals are blocked or ignored: not the worker's. */
static int add_signals(posix_spawnattr_t *a)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	r = posix_spawnattr_setsigmask(a, &set);
	sigfillset(&set);
	if (!r)
		r = posix_spawnattr_setsigdefault(a, &set);
	if (!r)
		r = posix_spawnattr_setpgroup(a, 0); /* a terminal's Ctrl-C is not for it */
	return r ? r
		 : posix_spawnattr_setflags(a,
					    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int spawn(int task, int answer, pid_t *ret)
{
	char name[] = WORKER_NAME, *argv[] = { name, NULL }, **env = environment();
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int r;

	if (!env)
		return -ENOMEM;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	r = add_files(&files, task, answer);
	if (!r)
		r = add_signals(&attr);
	if (!r)
		r = posix_spawn(ret, worker_program, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(env);
	return -r;
}

/* --- its life ------------------------------------------------------------------------------------------------ */

static void worker_free(struct worker *w)
{
	LIST_REMOVE(w, link);
	w->all->n--;
	loop_unwatch(w->watch);
	loop_timer_free(w->deadline);
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->answer >= 0)
		close(w->answer);
	free(w);
}

static void on_end(void *arg, short revents)
{
	struct worker *w = arg;
	struct bytes answer = { 0 };
	int status = -1, r = -EIO;

	(void)revents;
	if (waitpid(w->pid, &status, WNOHANG) == 0)
		return;
	if (w->done && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
		r = take_answer(w->answer, &answer);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_TOO_LARGE)
		r = -EFBIG;
	if (w->done)
		w->done(w->arg, r, answer);
	worker_free(w);
}

/* It ends when the kernel lets it, which a dead file server may put off: nobody waits. */
void worker_cancel(struct worker *w)
{
	if (!w)
		return;
	w->done = NULL;
	loop_timer_set(w->deadline, -1);
	kill(w->pid, SIGKILL); /* not reaped yet: still its pid */
}

static void on_deadline(void *arg)
{
	struct worker *w = arg;
	void (*done)(void *, int, struct bytes) = w->done;

	worker_cancel(w);
	done(w->arg, -ETIMEDOUT, (struct bytes){ 0 });
}

/* The process runs: see its end. */
static int watch(struct worker *w, int deadline_ms)
{
	w->pidfd = pidfd_open(w->pid, 0);
	w->deadline = loop_timer_new(w->all->loop, on_deadline, w);
	w->watch = w->pidfd < 0 ? NULL : loop_watch_fd(w->all->loop, w->pidfd, POLLIN, on_end, w);
	if (!w->deadline || !w->watch) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
		return -ENOMEM;
	}
	loop_timer_set(w->deadline, deadline_ms);
	return 0;
}

int worker_start(struct workers *all, const struct task *t, const struct task_parts *parts, int deadline_ms,
		 void (*done)(void *arg, int result, struct bytes answer), void *arg, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));
	int task, r;

	if (!w)
		return -ENOMEM;
	*w = (struct worker){ .all = all, .pidfd = -1, .done = done, .arg = arg };
	LIST_INSERT_HEAD(&all->list, w, link);
	all->n++;
	w->answer = spare_memfd("heaptap answer");
	task = write_task(t, parts);
	r = w->answer < 0 ? w->answer : task < 0 ? task : spawn(task, w->answer, &w->pid);
	if (task >= 0)
		close(task);
	if (!r)
		r = watch(w, deadline_ms);
	if (r)
		worker_free(w);
	else
		*ret = w;
	return r;
}

struct workers *workers_new(struct loop *loop, unsigned max)
{
	struct workers *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->loop = loop;
	all->max = max;
	LIST_INIT(&all->list);
	return all;
}

void workers_free(struct workers *all)
{
	if (!all)
		return;
	while (!LIST_EMPTY(&all->list)) {
		struct worker *w = LIST_FIRST(&all->list);

		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, WNOHANG); /* else init gets it */
		worker_free(w);
	}
	free(all);
}

bool workers_are_busy(const struct workers *all)
{
	return all->n >= all->max;
}
