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

#define JOB_STOP_NS 2000000000ull /* within which a stop of the program belongs to the terminal's request */

void signals_fill(sigset_t *set)
{
	static const int ours[] = { SIGCHLD, SIGUSR1, SIGINT,  SIGQUIT, SIGTERM, SIGHUP,
				    SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPIPE };

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigaddset(set, ours[i]);
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
}

static void on_signal(struct run_signals *s, const struct signalfd_siginfo *si)
{
	int sig = (int)si->ssi_signo;

	switch (sig) {
	case SIGUSR1:
		collector_snapshot_all(s->collector, SNAPSHOT_SIGNAL);
		break;
	case SIGTERM:
	case SIGHUP: /* a terminal's hangup reaches the program by itself */
		if (!s->child->ended && si->ssi_code != SI_KERNEL)
			kill(s->child->pid, sig);
		/* fall through */
	case SIGINT: /* from a terminal the program has it too, and decides */
	case SIGQUIT:
		s->interrupted = s->child->ended;
		break;
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		s->stop_asked_ns = clock_ns();
		break;
	case SIGCONT: /* `fg` continues the whole job, `kill -CONT` only us */
		child_look(s->child);
		if (s->child->stopped)
			kill(s->child->pid, SIGCONT);
		break;
	default:
		break;
	}
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
