/* tests/unit/test_loop.c - the event loop: descriptors and timers, each on both backends. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/unit/live_fixture.h"

/* A pipe, its reading end watched. */
struct source {
	struct loop *loop;
	int fd[2];
	struct loop_watch *watch, *victim;
	int calls, drain;
	short revents;
};

static void on_source(void *arg, short revents)
{
	struct source *s = arg;
	char c;

	s->calls++;
	s->revents = revents;
	if (s->drain && read(s->fd[0], &c, 1) < 0)
		s->calls = -1000;
	loop_unwatch(s->victim);
	s->victim = NULL;
}

static void source_open(struct source *s, struct loop *l)
{
	*s = (struct source){ .loop = l, .drain = 1 };
	cr_assert_eq(pipe2(s->fd, O_CLOEXEC), 0);
	s->watch = loop_watch_fd(l, s->fd[0], POLLIN, on_source, s);
	cr_assert_not_null(s->watch);
}

static void source_close(struct source *s)
{
	close(s->fd[0]);
	close(s->fd[1]);
}

static void put(struct source *s, const char *bytes)
{
	cr_assert_eq(write(s->fd[1], bytes, strlen(bytes)), (ssize_t)strlen(bytes));
}

/* Run until nothing can be left to do. */
static void settle(struct loop *l)
{
	for (int i = 0; i < 5; i++)
		cr_assert_eq(loop_turn(l, 5), 0);
}

BACKENDS(loop, says_which_backend_it_runs_on)
{
	struct loop *l = test_loop(*backend);

	cr_assert_str_eq(loop_backend(l), !strcmp(*backend, "uring") ? "io_uring" : "epoll");
	loop_free(l);
}

Test(loop, refuses_an_unknown_backend_by_name)
{
	struct loop *l;
	struct fault f;

	setenv("HEAPTAP_IO", "kqueue", 1);
	cr_assert_eq(loop_new(&l, &f), -EINVAL);
	cr_assert_not_null(strstr(f.text, "kqueue"));
}

/* As a container's seccomp profile does it. */
static void refuse_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

Test(loop, falls_back_to_epoll_where_io_uring_is_refused)
{
	struct loop *l;
	struct fault f;

	refuse_io_uring();
	unsetenv("HEAPTAP_IO");
	cr_assert_eq(loop_new(&l, &f), 0, "%s", f.text);
	cr_assert_str_eq(loop_backend(l), "epoll");
	loop_free(l);
	setenv("HEAPTAP_IO", "uring", 1);
	cr_assert_eq(loop_new(&l, &f), -EPERM);
	cr_assert_not_null(strstr(f.text, "uring"), "%s", f.text);
}

Test(loop, prefers_io_uring)
{
	struct loop *l;
	struct fault f;

	setenv("HEAPTAP_IO", "uring", 1);
	if (loop_new(&l, &f))
		cr_skip_test("no io_uring here");
	loop_free(l);
	unsetenv("HEAPTAP_IO");
	cr_assert_eq(loop_new(&l, &f), 0, "%s", f.text);
	cr_assert_str_eq(loop_backend(l), "io_uring");
	loop_free(l);
}

BACKENDS(loop, watch_is_level_triggered)
{
	struct loop *l = test_loop(*backend);
	struct source s;

	source_open(&s, l);
	put(&s, "abc");
	TURN_UNTIL(l, s.calls == 3);
	cr_assert(s.revents & POLLIN);
	settle(l);
	cr_assert_eq(s.calls, 3, "called without anything to read");
	put(&s, "d");
	TURN_UNTIL(l, s.calls == 4);
	loop_unwatch(s.watch);
	loop_free(l);
	source_close(&s);
}

BACKENDS(loop, watch_reports_a_hang_up)
{
	struct loop *l = test_loop(*backend);
	struct source s;

	source_open(&s, l);
	s.drain = 0;
	close(s.fd[1]);
	TURN_UNTIL(l, s.calls > 0);
	cr_assert(s.revents & POLLHUP);
	loop_unwatch(s.watch);
	loop_free(l);
	close(s.fd[0]);
}

BACKENDS(loop, unwatched_descriptor_is_never_reported_again)
{
	struct loop *l = test_loop(*backend);
	struct source s;

	source_open(&s, l);
	settle(l); /* now the kernel waits for it */
	put(&s, "a");
	loop_unwatch(s.watch);
	source_close(&s);
	settle(l);
	cr_assert_eq(s.calls, 0);
	loop_free(l);
}

/* Both are ready in the same turn; whichever comes first takes the other away. */
BACKENDS(loop, callback_may_unwatch_another_that_is_ready_too)
{
	struct loop *l = test_loop(*backend);
	struct source a, b;

	source_open(&a, l);
	source_open(&b, l);
	a.victim = b.watch;
	b.victim = a.watch;
	put(&a, "a");
	put(&b, "b");
	settle(l);
	cr_assert_eq(a.calls + b.calls, 1);
	loop_unwatch(a.calls ? a.watch : b.watch);
	loop_free(l);
	source_close(&a);
	source_close(&b);
}

BACKENDS(loop, callback_may_unwatch_itself)
{
	struct loop *l = test_loop(*backend);
	struct source s;

	source_open(&s, l);
	s.victim = s.watch;
	put(&s, "ab");
	settle(l);
	cr_assert_eq(s.calls, 1);
	loop_free(l);
	source_close(&s);
}

BACKENDS(loop, closed_descriptor_cannot_be_watched)
{
	struct loop *l = test_loop(*backend);
	struct source s;

	source_open(&s, l);
	loop_unwatch(s.watch);
	settle(l);
	source_close(&s);
	cr_assert_null(loop_watch_fd(l, s.fd[0], POLLIN, on_source, &s));
	loop_free(l);
}

/* More watches than a ring has entries. */
BACKENDS(loop, a_thousand_watches_are_all_served)
{
	enum { N = 1000 };
	static struct source s[N];
	struct loop *l = test_loop(*backend);
	struct rlimit r = { 4096, 4096 };
	int seen = 0;

	setrlimit(RLIMIT_NOFILE, &r);
	for (int i = 0; i < N; i++) {
		source_open(&s[i], l);
		put(&s[i], "x");
	}
	for (double limit = seconds() + LIMIT_S; seen < N && seconds() < limit;) {
		loop_turn(l, 10);
		seen = 0;
		for (int i = 0; i < N; i++)
			seen += s[i].calls;
	}
	cr_assert_eq(seen, N);
	for (int i = 0; i < N; i++) {
		loop_unwatch(s[i].watch);
		source_close(&s[i]);
	}
	loop_free(l);
}

struct bell {
	struct loop_timer *timer;
	int rings, again, place;       /* place: how many rang before it */
	double rang, earliest, latest; /* the last two: the instants between which its deadline lies */
};

static void on_bell(void *arg)
{
	struct bell *b = arg;

	static int rung;

	b->rings++;
	b->place = rung++;
	b->rang = seconds();
	if (b->again > 0) {
		b->again--;
		loop_timer_set(b->timer, 0);
	}
}

BACKENDS(loop, timer_fires_once_and_not_when_disarmed)
{
	struct loop *l = test_loop(*backend);
	struct bell a = { 0 }, b = { 0 };

	a.timer = loop_timer_new(l, on_bell, &a);
	b.timer = loop_timer_new(l, on_bell, &b);
	loop_timer_set(a.timer, 0);
	loop_timer_set(b.timer, 0);
	loop_timer_set(b.timer, -1);
	settle(l);
	cr_assert_eq(a.rings, 1);
	cr_assert_eq(b.rings, 0);
	loop_timer_free(a.timer);
	loop_timer_free(b.timer);
	loop_free(l);
}

static void arm(struct bell *b, int ms)
{
	b->earliest = seconds() + ms * 1e-3;
	loop_timer_set(b->timer, ms);
	b->latest = seconds() + ms * 1e-3;
}

static int unrung(const struct bell *b, const int *due, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++)
		left += due[i] >= 0 && !b[i].rings;
	return left;
}

/* Any set of timers, some disarmed or moved, fires sorted, and none before its time.  Deadlines are known only as
 * well as the clock was read around arming, so pairs whose windows overlap may come in either order. */
BACKENDS(loop, timers_fire_in_the_order_of_their_deadlines)
{
	enum { N = 300 };
	static struct bell b[N];
	struct loop *l = test_loop(*backend);
	int due[N];
	unsigned seed = 42;

	for (int i = 0; i < N; i++) {
		b[i] = (struct bell){ .timer = loop_timer_new(l, on_bell, &b[i]) };
		due[i] = rand_r(&seed) % 20 ? rand_r(&seed) % 40 : -1;
		arm(&b[i], due[i]);
	}
	for (int i = 0; i < N; i += 7) {
		due[i] = i % 2 ? -1 : 20;
		arm(&b[i], due[i]);
	}
	TURN_UNTIL(l, unrung(b, due, N) == 0);
	for (int i = 0; i < N; i++) {
		cr_assert_eq(b[i].rings, due[i] >= 0);
		cr_assert(due[i] < 0 || b[i].rang >= b[i].earliest);
		for (int j = 0; j < N && due[i] >= 0; j++)
			cr_assert(due[j] < 0 || b[i].latest >= b[j].earliest || b[i].place < b[j].place);
		loop_timer_free(b[i].timer);
	}
	loop_free(l);
}

BACKENDS(loop, timer_that_rearms_at_once_starves_nobody)
{
	struct loop *l = test_loop(*backend);
	struct bell b = { .again = 1 << 30 };
	struct source s;

	source_open(&s, l);
	b.timer = loop_timer_new(l, on_bell, &b);
	loop_timer_set(b.timer, 0);
	put(&s, "x");
	TURN_UNTIL(l, s.calls == 1);
	cr_assert_leq(b.rings, 100);
	loop_timer_free(b.timer);
	loop_unwatch(s.watch);
	loop_free(l);
	source_close(&s);
}
