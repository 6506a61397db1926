/* collectord/cli/run_child.c - the program as our child: forked early, executed when all is ready.
 *
 * It shares our process group, terminal and standard descriptors, so that Ctrl-C, Ctrl-Z and pipes reach it as they
 * would without us.  It is looked at with WNOWAIT and reaped last: the collector reads its status too. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "collectord/cli/say.h"
#include "common/handshake.h"

#define HANDSHAKE_WAIT_MS 2000 /* a private collector may be slow to answer, but it will */

static void put_environment(const struct target *t, const char *socket_path)
{
	const char *before = getenv("LD_PRELOAD");
	char *preload = NULL, wait[32];

	if (t->unsuited)
		return;
	if (asprintf(&preload, "%s%s%s", t->shim, before && *before ? ":" : "", before ? before : "") < 0)
		return;
	setenv("LD_PRELOAD", preload, 1);
	setenv(HEAPTAP_ENV_SOCKET, socket_path, 1);
	/* Not for what it starts: that goes on even when we are stopped. */
	snprintf(wait, sizeof(wait), "%d:%d", HANDSHAKE_WAIT_MS, getpid());
	setenv(HEAPTAP_ENV_WAIT_MS, wait, 1);
	free(preload);
}

/* In the child: wait to be released, then become the program. */
static void __attribute__((noreturn))
become(struct child *c, int release_fd, int report_fd, const struct target *t, char **argv, const char *socket_path)
{
	ssize_t n;
	char byte;
	int err;

	do
		n = read(release_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(EXIT_NOT_FOUND);
	put_environment(t, socket_path);
	sigaction(SIGCHLD, &c->old_chld, NULL);
	sigprocmask(SIG_SETMASK, &c->old_mask, NULL);
	if (t->is_elf)
		execv(t->path, argv);
	else
		execvp(t->path, argv); /* a script without #! goes to the shell */
	err = errno;
	n = write(report_fd, &err, sizeof(err));
	_exit(n == sizeof(err) ? EXIT_NOT_FOUND : EXIT_FAULT);
}

int child_fork(struct child *c, const sigset_t *blocked, const struct target *t, char **argv,
	       const char *socket_path)
{
	struct sigaction standard = { .sa_handler = SIG_DFL }; /* ignored, our child would vanish unseen */
	int release[2], report[2];

	*c = (struct child){ .pid = -1, .release_fd = -1, .report_fd = -1 };
	if (pipe2(release, O_CLOEXEC))
		return -errno;
	if (pipe2(report, O_CLOEXEC)) {
		int r = -errno;

		close(release[0]);
		close(release[1]);
		return r;
	}
	sigprocmask(SIG_BLOCK, blocked, &c->old_mask);
	sigaction(SIGCHLD, &standard, &c->old_chld);
	c->pid = fork();
	if (!c->pid) {
		close(release[1]);
		become(c, release[0], report[1], t, argv, socket_path);
	}
	c->release_fd = release[1];
	c->report_fd = report[0];
	close(release[0]);
	close(report[1]);
	return c->pid < 0 ? -errno : 0;
}

static void close_pipes(struct child *c)
{
	close(c->release_fd);
	close(c->report_fd);
}

int child_release(struct child *c)
{
	int err = 0;
	ssize_t n = write(c->release_fd, "", 1);

	if (n == 1)
		do
			n = read(c->report_fd, &err, sizeof(err));
		while (n < 0 && errno == EINTR);
	close_pipes(c);
	return n == sizeof(err) ? err : 0;
}

void child_look(struct child *c)
{
	siginfo_t si;

	do {
		si.si_pid = 0;
		if (waitid(P_PID, (id_t)c->pid, &si, WSTOPPED | WCONTINUED | WNOHANG) || !si.si_pid)
			break;
		c->stopped = si.si_code == CLD_STOPPED;
	} while (true);
	si.si_pid = 0;
	if (waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid)
		c->ended = true;
}

void child_reap(struct child *c)
{
	while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
		;
}

void child_abandon(struct child *c)
{
	close_pipes(c);
	if (c->pid > 0)
		child_reap(c);
}

void child_exit_like_now(int status)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	sigset_t one;

	if (!sig)
		_exit(WEXITSTATUS(status));
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); /* the program may have dumped one: ours says nothing */
	signal(sig, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	_exit(128 + sig);
}

void child_exit_like(int status)
{
	fflush(NULL);
	if (!WIFSIGNALED(status))
		exit(WEXITSTATUS(status));
	child_exit_like_now(status);
}
