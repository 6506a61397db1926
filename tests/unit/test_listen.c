/* tests/unit/test_listen.c - the handshake, and clients that mean harm.
 *
 * Clients that need no pid of their own are this process itself.  Each test runs on both backends of the loop. */
#include <poll.h>
#include <sys/resource.h>

#include "tests/unit/live_fixture.h"

static const struct collector_config exact = { .rate = 1 };

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static unsigned open_fds(void)
{
	return count_files("/proc/self/fd", "");
}

/* Send `len` bytes as a client; the verdict, or -1 if the collector just hangs up. */
static int verdict_of(struct bench *b, const void *msg, size_t len)
{
	int sock = shim_connect(b->sock), fd;
	struct welcome w;
	bool answered;

	cr_assert_geq(sock, 0);
	cr_assert_eq(send(sock, msg, len, MSG_NOSIGNAL), (ssize_t)len);
	TURN_UNTIL(b->loop, readable(sock));
	answered = shim_welcome(sock, &w, &fd);
	close(sock);
	if (!answered)
		return -1;
	cr_assert_eq(w.magic, WELCOME_MAGIC);
	cr_assert_eq(fd >= 0, w.verdict == WELCOME_OK, "a region comes with OK and only then");
	if (fd >= 0)
		close(fd);
	return (int)w.verdict;
}

BACKENDS(listen, good_hello_gets_a_sealed_region)
{
	struct bench b;
	struct hello h = good_hello();
	struct welcome w;
	int sock, fd;

	bench_start(&b, *backend, exact);
	sock = shim_connect(b.sock);
	cr_assert_eq(send(sock, &h, sizeof(h), MSG_NOSIGNAL), sizeof(h));
	TURN_UNTIL(b.loop, b.started == 1);
	cr_assert(shim_welcome(sock, &w, &fd));
	cr_assert_eq(w.verdict, WELCOME_OK);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fcntl(fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW), F_SEAL_SHRINK | F_SEAL_GROW);
	cr_assert_neq(ftruncate(fd, 0), 0);
	cr_assert_eq(b.view.pid, (uint32_t)getpid());
	cr_assert_eq(b.view.uid, getuid());
	close(fd);
	close(sock);
	bench_stop(&b);
}

BACKENDS(listen, hellos_that_are_not_ours_get_nothing)
{
	struct bench b;
	struct hello h;
	char longer[sizeof(h) + 1] = { 0 };

	bench_start(&b, *backend, exact);
	h = good_hello();
	h.magic++;
	cr_assert_eq(verdict_of(&b, &h, sizeof(h)), -1, "magic");
	h = good_hello();
	h.size--;
	cr_assert_eq(verdict_of(&b, &h, sizeof(h)), -1, "size field");
	h = good_hello();
	cr_assert_eq(verdict_of(&b, &h, sizeof(h) - 1), -1, "short");
	cr_assert_eq(verdict_of(&b, &h, 1), -1, "one byte");
	memcpy(longer, &h, sizeof(h));
	cr_assert_eq(verdict_of(&b, longer, sizeof(longer)), -1, "long");
	cr_assert_eq(b.started, 0);
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(listen, another_version_is_told_so)
{
	struct bench b;
	struct hello h = good_hello();

	bench_start(&b, *backend, exact);
	h.abi_major = ABI_MAJOR + 1;
	cr_assert_eq(verdict_of(&b, &h, sizeof(h)), WELCOME_VERSION);
	h.size = 64; /* its hello may have another size, too */
	cr_assert_eq(verdict_of(&b, &h, 64), WELCOME_VERSION);
	h = good_hello();
	h.abi_minor = ABI_MINOR + 1;
	cr_assert_eq(verdict_of(&b, &h, sizeof(h)), WELCOME_OK, "minors only add");
	bench_stop(&b);
}

BACKENDS(listen, program_that_cannot_be_recorded_is_noted)
{
	struct bench b;
	struct hello h = good_hello();

	bench_start(&b, *backend, exact);
	h.status = HELLO_EXE_DEFINES_MALLOC;
	cr_assert_eq(verdict_of(&b, &h, sizeof(h)), WELCOME_NOTED);
	cr_assert_eq(b.passive, 1);
	cr_assert_eq(b.view.status, HELLO_EXE_DEFINES_MALLOC);
	cr_assert_eq(b.started, 0);
	cr_assert_eq(collector_pending(b.c), 0);
	bench_stop(&b);
}

static void check_labels(enum session_change what, const struct session_view *v, void *arg)
{
	unsigned *seen = arg;

	*seen += what == SESSION_STARTED && strlen(v->exe) == 1023 && strlen(v->cmdline) == 1023 &&
		 strlen(v->allocator) == 127;
}

BACKENDS(listen, strings_without_an_end_are_cut)
{
	struct bench b;
	struct hello h = good_hello();
	struct collector_config c = { .rate = 1, .listen_fd = -1, .on_change = check_labels };
	char sock[200];
	unsigned seen = 0;
	struct collector *other;
	struct fault f;

	bench_start(&b, *backend, exact);
	snprintf(sock, sizeof(sock), "%s/other", b.dir);
	c.socket_path = sock;
	c.out_dir = b.dir;
	c.arg = &seen;
	cr_assert_eq(collector_new(b.loop, &c, &other, &f), 0, "%s", f.text);
	memset(h.exe, 'x', sizeof(h.exe));
	memset(h.cmdline, 'y', sizeof(h.cmdline));
	memset(h.allocator, 'z', sizeof(h.allocator));
	h.cmdline_len = UINT32_MAX;
	snprintf(b.sock, sizeof(b.sock), "%.150s", sock);
	cr_assert_eq(verdict_of(&b, &h, sizeof(h)), WELCOME_OK);
	cr_assert_eq(seen, 1);
	collector_free(other);
	bench_stop(&b);
}

/* As many descriptors as one message can carry; none may stay with the collector, which is this process. */
BACKENDS(listen, descriptors_from_clients_do_not_arrive)
{
	enum { N = 253 };
	alignas(struct cmsghdr) char control[CMSG_SPACE(N * sizeof(int))] = { 0 };
	struct bench b;
	struct hello h = good_hello();
	struct iovec iov = { &h, sizeof(h) - 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fds[N], sock;
	unsigned before;

	for (int i = 0; i < N; i++)
		fds[i] = STDERR_FILENO;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	bench_start(&b, *backend, exact);
	before = open_fds();
	sock = shim_connect(b.sock);
	cr_assert_eq(sendmsg(sock, &m, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
	TURN_UNTIL(b.loop, readable(sock));
	close(sock);
	cr_assert_eq(open_fds(), before);
	assert_serves(&b);
	bench_stop(&b);
}

/* What else a message can carry, alone and beside what may not be there; the kernel checks that it is true. */
BACKENDS(listen, credentials_beside_a_hello_change_nothing)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))] = { 0 };
	struct ucred own = { .pid = getpid(), .uid = getuid(), .gid = getgid() };
	struct hello h = good_hello();
	struct iovec iov = { &h, sizeof(h) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct bench b;
	int sock, fd = STDERR_FILENO;
	unsigned before;

	if (geteuid() == 0)
		own = (struct ucred){ .pid = 1, .uid = 50001, .gid = 50001 }; /* root may say so */
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(own)), SOL_SOCKET, SCM_CREDENTIALS };
	memcpy(CMSG_DATA(c), &own, sizeof(own));
	c = CMSG_NXTHDR(&m, c);
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	bench_start(&b, *backend, exact);
	loop_turn(b.loop, 0);
	before = open_fds();
	for (unsigned kinds = 1; kinds <= 2; kinds++) {
		struct hello none = { 0 };
		int other = shim_connect(b.sock);

		iov.iov_base = &none;
		m.msg_controllen = kinds == 2 ? sizeof(control) : CMSG_SPACE(sizeof(own));
		cr_assert_eq(sendmsg(other, &m, MSG_NOSIGNAL), (ssize_t)iov.iov_len, "%s", strerror(errno));
		TURN_UNTIL(b.loop, readable(other));
		close(other);
		cr_assert_eq(open_fds(), before, "descriptors that stay");
	}
	sock = shim_connect(b.sock);
	iov.iov_base = &h;
	cr_assert_eq(sendmsg(sock, &m, MSG_NOSIGNAL), (ssize_t)iov.iov_len);
	TURN_UNTIL(b.loop, readable(sock));
	cr_assert_eq(b.started, 1, "who may be recorded may say who he is");
	cr_assert_eq(b.view.pid, (uint32_t)getpid(), "but is not believed");
	cr_assert_eq(b.view.uid, getuid());
	close(sock);
	bench_stop(&b);
}

/* A hello is one message; parts of one are as many refusals, or the end. */
BACKENDS(listen, a_hello_in_pieces_is_none)
{
	static const size_t cuts[] = { 0, 1, 8, 16, sizeof(struct hello) / 2, sizeof(struct hello) - 1 };
	struct hello h = good_hello();
	struct bench b;
	struct welcome w;
	int fd;

	bench_start(&b, *backend, exact);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		int sock = shim_connect(b.sock);

		cr_assert_eq(send(sock, &h, cuts[i], MSG_NOSIGNAL | MSG_MORE), (ssize_t)cuts[i]);
		send(sock, (char *)&h + cuts[i], sizeof(h) - cuts[i], MSG_NOSIGNAL | MSG_EOR);
		TURN_UNTIL(b.loop, readable(sock));
		cr_assert(!shim_welcome(sock, &w, &fd), "in pieces of %zu and the rest", cuts[i]);
		close(sock);
	}
	cr_assert_eq(b.started, 0);
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(listen, silent_client_is_dropped_after_its_deadline)
{
	struct bench b;
	int sock;
	double start;

	bench_start(&b, *backend, exact);
	sock = shim_connect(b.sock);
	start = seconds();
	TURN_UNTIL(b.loop, readable(sock));
	cr_assert_gt(seconds() - start, 0.5, "honest clients need a moment");
	close(sock);
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(listen, a_crowd_of_silent_clients_keeps_nobody_out)
{
	enum { N = 700, HALF_WAY = 128 } /* of one user */;
	struct bench b;
	static int socks[N];
	struct rlimit r = { 4096, 4096 };
	int dropped = 0;

	setrlimit(RLIMIT_NOFILE, &r);
	bench_start(&b, *backend, exact);
	for (int i = 0; i < N; i++) {
		socks[i] = shim_connect(b.sock);
		cr_assert_geq(socks[i], 0);
		if (i % 50 == 0)
			loop_turn(b.loop, 0);
	}
	assert_serves(&b);
	for (int i = 0; i < N; i++) {
		dropped += readable(socks[i]);
		close(socks[i]);
	}
	cr_assert_geq(dropped, N - HALF_WAY);
	assert_serves(&b);
	bench_stop(&b);
}

/* Connect, perhaps send something, hang up at once. */
BACKENDS(listen, clients_that_hang_up_anywhere_harm_nobody)
{
	struct bench b;
	struct hello h = good_hello();
	unsigned before;

	bench_start(&b, *backend, exact);
	loop_turn(b.loop, 0);
	before = open_fds();
	for (int i = 0; i < 300; i++) {
		int sock = shim_connect(b.sock);

		cr_assert_geq(sock, 0);
		if (i % 3 == 1)
			loop_turn(b.loop, 0);
		if (i % 3)
			send(sock, &h, i % 2 ? sizeof(h) - 3 : 5, MSG_NOSIGNAL);
		close(sock);
		if (i % 5 == 0)
			loop_turn(b.loop, 0);
	}
	TURN_UNTIL(b.loop, open_fds() == before);
	assert_serves(&b);
	bench_stop(&b);
}

/* Without descriptors the collector must neither spin nor forget to accept later. */
BACKENDS(listen, out_of_descriptors_is_survived)
{
	struct bench b;
	struct rlimit r, none;
	struct hello h = good_hello();
	int sock, turns = 0;
	double end;

	bench_start(&b, *backend, exact);
	loop_turn(b.loop, 0);
	sock = shim_connect(b.sock);
	cr_assert_eq(send(sock, &h, sizeof(h), MSG_NOSIGNAL), sizeof(h));
	getrlimit(RLIMIT_NOFILE, &r);
	none = r;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	for (end = seconds() + 0.5; seconds() < end; turns++)
		loop_turn(b.loop, 500);
	cr_assert_lt(turns, 100, "spins");
	setrlimit(RLIMIT_NOFILE, &r);
	TURN_UNTIL(b.loop, b.started == 1);
	close(sock);
	bench_stop(&b);
}
