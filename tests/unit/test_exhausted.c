/* tests/unit/test_exhausted.c - a collector without a descriptor left: it waits, and does not turn in circles. */
#include <sys/resource.h>

#include "collectord/live/collector_impl.h"
#include "tests/unit/live_fixture.h"

enum { DESCRIPTORS = 64, MOST_TURNS = 80 };

/* All that are left, so that the next accept() fails. */
static unsigned use_up(int *fds)
{
	const struct rlimit few = { DESCRIPTORS, DESCRIPTORS };
	unsigned n = 0;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fds[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	cr_assert_eq(errno, EMFILE);
	return n;
}

/* Each wait ends after 100 ms, as does each back-off: a second has few of them, however fast the machine is. */
BACKENDS(exhausted, who_cannot_be_accepted_costs_no_processor_time)
{
	int fds[DESCRIPTORS], sock, fd;
	struct hello h = good_hello();
	unsigned n, turns = 0;
	struct welcome w;
	struct bench b;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	sock = shim_connect(b.sock);
	cr_assert_eq(send(sock, &h, sizeof(h), MSG_NOSIGNAL), (ssize_t)sizeof(h));
	n = use_up(fds);
	for (double limit = seconds() + 1; seconds() < limit; turns++)
		cr_assert_eq(loop_turn(b.loop, 100), 0);
	cr_assert_leq(turns, MOST_TURNS);
	cr_assert_eq(b.started, 0);
	while (n)
		close(fds[--n]);
	TURN_UNTIL(b.loop, b.started == 1);
	cr_assert(shim_welcome(sock, &w, &fd), "it waited in the backlog");
	cr_assert_eq(w.verdict, WELCOME_OK);
	bench_stop(&b);
}
