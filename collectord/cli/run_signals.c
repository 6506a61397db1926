/* collectord/cli/run_signals.c - the signals of `heaptap run`: what is ours, what is the program's, job control.
 *
 * All are blocked and read from a signalfd by the loop, so that nothing interrupts anything and the program can be
 * given back the mask we were started with. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "collectord/cli/clock.h"
#include "collectord/cli/run.h"

#define JOB_STOP_NS 2000000000ull /* within which a stop of the program belongs to the request */

/* A fault of our own still kills us: the kernel does not let such a signal be blocked. */
void signals_fill(sigset_t *set)
{
	sigfillset(set);
}

/* What the kernel sent (a terminal to its whole job, SIGPIPE and SIGXFSZ for what we wrote) is not for the program,
 * or it has it too; what a process sent to us is meant for the program. */
static bool is_for_program(const struct run_signals *s, const struct signalfd_siginfo *si)
{
	return !s->child->ended && si->ssi_code <= 0 && (pid_t)si->ssi_pid != getpid();
}

static void forward(const struct run_signals *s, const struct signalfd_siginfo *si)
{
	if (si->ssi_code == SI_QUEUE)
		sigqueue(s->child->pid, (int)si->ssi_signo,
			 (union sigval){ .sival_ptr = (void *)(uintptr_t)si->ssi_ptr });
	else
		kill(s->child->pid, (int)si->ssi_signo);
}

/* The terminal stopped the job and the program obeyed: stop as well, so that the shell sees it.  A program stopped
 * by somebody else must not take the collector with it. */
static void stop_with_child(struct run_signals *s)
{
	sigset_t tstp;

	if (!s->child->stopped || !s->stop_asked_ns || clock_ns() - s->stop_asked_ns > JOB_STOP_NS)
		return;
	s->stop_asked_ns = 0;
	status_clear(s->status);
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &tstp, NULL); /* stops here, unless nobody could continue us */
	sigprocmask(SIG_BLOCK, &tstp, NULL);
	s->was_stopped = true;
}

/* `fg` continues the whole job, and the program must not see that twice; `kill -CONT` continues only us. */
static bool is_continued(struct run_signals *s)
{
	bool only_us = !s->was_stopped;

	s->was_stopped = false;
	child_look(s->child);
	return only_us || s->child->stopped;
}

static void on_signal(struct run_signals *s, const struct signalfd_siginfo *si)
{
	bool forwarded = is_for_program(s, si);

	switch (si->ssi_signo) {
	case SIGUSR1:
		collector_snapshot_all(s->collector, SNAPSHOT_SIGNAL);
		return;
	case SIGCHLD:
		return;
	case SIGTERM:
	case SIGHUP:
	case SIGINT:
	case SIGQUIT:
		s->interrupted = s->child->ended;
		break;
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		s->stop_asked_ns = clock_ns();
		break;
	case SIGCONT:
		forwarded = forwarded && is_continued(s);
		break;
	case SIGWINCH:
		status_resized(s->status);
		break;
	default:
		break;
	}
	if (forwarded)
		forward(s, si);
}

static void on_signals(void *arg, short revents UNUSED)
{
	struct run_signals *s = arg;
	struct signalfd_siginfo si;

	while (read(s->fd, &si, sizeof(si)) == sizeof(si))
		on_signal(s, &si);
	child_look(s->child);
	stop_with_child(s);
}

int signals_open(struct run_signals *s, struct loop *loop, struct fault *f)
{
	sigset_t set;

	signals_fill(&set);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return fault_set(f, -errno, "signalfd: %s", strerror(errno));
	s->watch = loop_watch_fd(loop, s->fd, POLLIN, on_signals, s);
	return s->watch ? 0 : fault_set(f, -ENOMEM, "out of memory");
}

void signals_close(struct run_signals *s)
{
	loop_unwatch(s->watch);
	s->watch = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static volatile sig_atomic_t final_status;

static void cut_short(int signo)
{
	(void)signo;
	child_exit_like_now(final_status);
}

void signals_leave_to_user(const sigset_t *old_mask, int status)
{
	static const int terminal[] = { SIGTSTP, SIGTTOU, SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	sigset_t mask;

	final_status = status;
	sigfillset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(terminal); i++) {
		if (terminal[i] != SIGTSTP && terminal[i] != SIGTTOU)
			signal(terminal[i], cut_short);
		if (!sigismember(old_mask, terminal[i]))
			sigdelset(&mask, terminal[i]);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
}
