/* tests/unit/test_control_hostile.c - people who ask a collector and mean harm, or are somebody else.
 *
 * Whatever they do ends their own connection, and the collector goes on serving. */
#include <grp.h>

#include "tests/unit/control_fixture.h"

static const struct collector_config exact = { .rate = 1 };
static const struct collector_config everybodys = { .rate = 1, .any_uid = true };

static unsigned open_fds(void)
{
	return count_files("/proc/self/fd", "");
}

BACKENDS(control_hostile, requests_of_another_shape_are_told_so)
{
	struct bench b;
	struct control_request q = good_request(CONTROL_LIST);
	char longer[sizeof(q) + 1] = { 0 };
	struct reply a;

	bench_start(&b, *backend, exact);
	memcpy(longer, &q, sizeof(q));
	a = ask_message(&b, longer, sizeof(longer));
	cr_assert_eq(reply_error(&a), EPROTO, "longer");
	a = ask_message(&b, &q, sizeof(q) - 1);
	cr_assert_eq(reply_error(&a), EPROTO, "shorter");
	a = ask_message(&b, &q, sizeof(q.magic));
	cr_assert_eq(reply_error(&a), EPROTO, "the magic alone");
	q.version++;
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), EPROTO, "version");
	q = good_request(CONTROL_LIST);
	q.size--;
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), EPROTO, "size field");
	q = good_request(4711);
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), EPROTO, "verb");
	cr_assert_not_null(strstr(a.records[0].end.text, "4711"));
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(control_hostile, junk_gets_no_answer)
{
	struct bench b;
	char junk[8192];
	struct reply a;

	bench_start(&b, *backend, exact);
	memset(junk, 0xa5, sizeof(junk));
	for (size_t len = 1; len <= sizeof(junk); len *= 2) {
		a = ask_message(&b, junk, len);
		cr_assert_eq(a.n, 0, "%zu bytes", len);
	}
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(control_hostile, more_than_one_request_ends_the_connection)
{
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_SNAPSHOT);
	struct reply a;
	int sock;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	sock = ask_begin(&b, &q, sizeof(q));
	cr_assert_eq(send(sock, &q, sizeof(q), MSG_NOSIGNAL), (ssize_t)sizeof(q));
	a = ask_end(&b, sock);
	cr_assert(!a.is_whole || a.n == 2, "%u records", a.n); /* the snapshot may have been faster */
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(control_hostile, who_hangs_up_leaves_nothing_behind)
{
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_SNAPSHOT);
	struct reply a;
	unsigned before;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	a = ask_bench(&b, &q); /* opens the session's directory */
	before = open_fds();
	for (int i = 0; i < 100; i++) {
		q.verb = i % 2 ? CONTROL_FETCH : CONTROL_SNAPSHOT;
		q.pid = (uint32_t)getpid();
		close(ask_begin(&b, &q, sizeof(q)));
		cr_assert_eq(loop_turn(b.loop, 0), 0);
	}
	q = good_request(CONTROL_SNAPSHOT);
	a = ask_bench(&b, &q); /* after all the others */
	cr_assert_eq(reply_error(&a), 0);
	TURN_UNTIL(b.loop, open_fds() <= before); /* the first asker's end may have been open then */
	bench_stop(&b);
}

BACKENDS(control_hostile, too_many_at_once_are_told_so)
{
	enum { MANY = 40 };
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_SNAPSHOT);
	int socks[MANY];
	unsigned busy = 0;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	for (int i = 0; i < MANY; i++)
		socks[i] = ask_begin(&b, &q, sizeof(q)); /* nobody accepts meanwhile */
	for (int i = 0; i < MANY; i++) {
		struct reply a = ask_end(&b, socks[i]);

		busy += reply_error(&a) == EBUSY;
	}
	cr_assert_gt(busy, 0);
	cr_assert_lt(busy, MANY);
	assert_serves(&b);
	bench_stop(&b);
}

static void hundreds_more(struct abi_region *r)
{
	struct abi_region other;
	char path[160];

	(void)r;
	setpgid(0, 0);
	snprintf(path, sizeof(path), "%s", getenv("TEST_SOCKET"));
	for (int i = 0; i < 300; i++) {
		if (fork())
			continue;
		alarm(3 * LIMIT_S);
		if (!shim_attach(path, &other))
			_exit(1);
		for (;;)
			pause();
	}
}

/* An answer larger than a socket's buffer, and nobody takes it. */
BACKENDS(control_hostile, reader_that_does_not_read_is_dropped)
{
	struct bench b;
	struct control_request q = good_request(CONTROL_LIST);
	struct reply a = { .fd = -1 };
	struct fake p;
	int sock;

	bench_start(&b, *backend, exact);
	setenv("TEST_SOCKET", b.sock, 1);
	p = fake_start(b.sock, hundreds_more);
	TURN_UNTIL(b.loop, b.started > 300);
	sock = ask_begin(&b, &q, sizeof(q));
	assert_serves(&b);
	for (double end = seconds() + 7; seconds() < end;)
		cr_assert_eq(loop_turn(b.loop, 50), 0);
	while (!ask_read(sock, &a))
		;
	cr_assert_gt(a.n, 0);
	cr_assert_not(a.is_whole, "it was kept waiting for us");
	close(sock);
	kill(-p.pid, SIGKILL);
	fake_kill(&p);
	bench_stop(&b);
}

/* --- other users ---------------------------------------------------------------------------------------------- */

#define NOBODY 65534u
#define GROUP 4242u

/* What a process of another user is answered: (records << 8 | error), or 255 if there was no answer. */
struct stranger {
	struct control_request request;
	gid_t primary, supplementary;
};

static void be_stranger(struct bench *b, const struct stranger *s, int out)
{
	struct reply a = { .fd = -1 };
	unsigned result = 255;
	int sock;

	alarm(LIMIT_S);
	if (setgroups(s->supplementary != 0, &s->supplementary) || setresgid(s->primary, s->primary, s->primary) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(98);
	sock = shim_connect(b->sock);
	/* A collector that does not want us may have hung up by now. */
	if (send(sock, &s->request, sizeof(s->request), MSG_NOSIGNAL) == (ssize_t)sizeof(s->request))
		while (!ask_read(sock, &a))
			usleep(1000);
	if (a.is_whole)
		result = (a.n - 1) << 8 | a.records[a.n - 1].error;
	_exit(write(out, &result, sizeof(result)) != sizeof(result));
}

static unsigned ask_as(struct bench *b, const struct stranger *s)
{
	unsigned result = 254;
	int p[2], status;
	pid_t pid;

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		be_stranger(b, s, p[1]);
	TURN_UNTIL(b->loop, waitpid(pid, &status, WNOHANG) == pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(read(p[0], &result, sizeof(result)), (ssize_t)sizeof(result));
	close(p[0]);
	close(p[1]);
	return result;
}

static void open_to_all(const struct bench *b)
{
	if (getuid() != 0)
		cr_skip_test("only root can be two users");
	chmod(b->dir, 0755);
	chmod(b->sock, 0666);
}

BACKENDS(control_hostile, somebody_elses_process_does_not_exist)
{
	struct bench b;
	struct abi_region r;
	struct stranger s = { .request = good_request(CONTROL_LIST), .primary = NOBODY };

	bench_start(&b, *backend, everybodys);
	open_to_all(&b);
	bench_attach_self(&b, &r);
	cr_assert_eq(ask_as(&b, &s), 0, "it is listed");
	s.request = good_request(CONTROL_SNAPSHOT);
	cr_assert_eq(ask_as(&b, &s), ESRCH);
	s.request.pid = (uint32_t)getpid();
	cr_assert_eq(ask_as(&b, &s), ESRCH);
	s.request.verb = CONTROL_FETCH;
	cr_assert_eq(ask_as(&b, &s), ESRCH);
	s.request.verb = CONTROL_SET;
	s.request.changes = CONTROL_RATE;
	s.request.rate = 7;
	cr_assert_eq(ask_as(&b, &s), ESRCH);
	cr_assert_eq(load_relaxed(&r.control->rate), 1);
	cr_assert_eq(count_files(b.dir, "s1"), 0);
	bench_stop(&b);
}

BACKENDS(control_hostile, members_of_the_group_see_and_change_all)
{
	struct bench b;
	struct abi_region r;
	struct collector_config config = everybodys;
	struct stranger s = { .request = good_request(CONTROL_LIST), .primary = NOBODY, .supplementary = GROUP };

	config.admin_gid = GROUP;
	bench_start(&b, *backend, config);
	open_to_all(&b);
	bench_attach_self(&b, &r);
	cr_assert_eq(ask_as(&b, &s), 1 << 8);
	s.supplementary = GROUP + 1;
	cr_assert_eq(ask_as(&b, &s), 0, "another group");
	s.primary = GROUP;
	s.supplementary = 0;
	cr_assert_eq(ask_as(&b, &s), 1 << 8, "as the primary group");
	s.request = good_request(CONTROL_SET);
	s.request.pid = (uint32_t)getpid();
	s.request.changes = CONTROL_RATE;
	s.request.rate = 7;
	cr_assert_eq(ask_as(&b, &s), 1 << 8);
	cr_assert_eq(load_relaxed(&r.control->rate), 7);
	bench_stop(&b);
}

/* gid 0 is what a collector without a group has in its settings. */
BACKENDS(control_hostile, no_group_means_nobody)
{
	struct bench b;
	struct abi_region r;
	struct stranger s = { .request = good_request(CONTROL_LIST), .primary = 0 };

	bench_start(&b, *backend, everybodys);
	open_to_all(&b);
	bench_attach_self(&b, &r);
	cr_assert_eq(ask_as(&b, &s), 0);
	bench_stop(&b);
}

BACKENDS(control_hostile, private_collector_answers_its_user_only)
{
	struct bench b;
	struct stranger s = { .request = good_request(CONTROL_LIST), .primary = NOBODY };

	bench_start(&b, *backend, exact);
	open_to_all(&b); /* whatever the mode says: the collector asks the kernel */
	cr_assert_eq(ask_as(&b, &s), 255);
	bench_stop(&b);
}
