/* tests/unit/shim_dial.c - the handshake against collectors that are absent, slow, wrong or hostile.
 *
 * Whatever happens, dial() comes back, with an error and without a descriptor or mapping left behind. */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "preload/dial.h"
#include "tests/unit/shim_server.h"

#define WAIT_MS 5000 /* patience with a loaded test machine; tests of the deadline say their own */

static struct server s;
static struct hello hello = { .magic = HELLO_MAGIC, .size = sizeof(hello) };
static int fds_before;

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void setup(void)
{
	struct abi_geometry geo = { 1, 16, 1, 64, 4096, 64, 8, 4096 };

	server_init(&s, 1, &geo);
	fds_before = count_fds();
}

static void teardown(void)
{
	server_done(&s);
}

TestSuite(dial, .init = setup, .fini = teardown, .timeout = 60);

/* Served by `answer`, dial() must fail with `error` and leave nothing behind. */
static void expect_refused(void (*answer)(struct server *, int), int error)
{
	struct abi_region r = { 0 };
	int got;

	s.answer = answer;
	server_start(&s);
	got = dial(s.path, WAIT_MS, &hello, &r);
	cr_expect_eq(got, error, "%d", got);
	cr_expect_null(r.header);
	server_stop(&s);
	cr_expect_eq(s.n_heard, 1);
	cr_expect_eq(count_fds(), fds_before, "a descriptor is left open");
	server_done(&s);
	setup();
}

Test(dial, maps_what_the_collector_gives_and_keeps_no_descriptor)
{
	struct abi_region r;

	server_start(&s);
	cr_assert_eq(dial(s.path, WAIT_MS, &hello, &r), 0);
	server_stop(&s);
	cr_expect_eq(count_fds(), fds_before);
	cr_expect_eq(s.n_heard, 1);
	cr_expect_eq(s.heard.magic, HELLO_MAGIC);
	store_relaxed(&r.control->detached, 42);
	cr_expect_eq(load_relaxed(&s.r.control->detached), 42, "not the same memory");
}

Test(dial, says_why_it_stays_passive_and_waits_for_nothing)
{
	struct hello passive = { .magic = HELLO_MAGIC, .size = sizeof(passive), .status = HELLO_SANITIZER };
	struct abi_region r;

	server_start(&s);
	cr_expect_eq(dial(s.path, WAIT_MS, &passive, &r), -ECANCELED);
	server_stop(&s);
	cr_expect_eq(s.heard.status, HELLO_SANITIZER);
}

Test(dial, fails_at_once_without_a_collector)
{
	struct abi_region r;
	char path[300];

	cr_expect_eq(dial("/nonexistent/socket", WAIT_MS, &hello, &r), -ENOENT);
	close(s.listener);
	cr_expect_eq(dial(s.path, WAIT_MS, &hello, &r), -ECONNREFUSED);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	cr_expect_eq(dial(path, WAIT_MS, &hello, &r), -ENAMETOOLONG);
	path[108] = '\0';
	cr_expect_eq(dial(path, WAIT_MS, &hello, &r), -ENAMETOOLONG, "one byte too long");
	path[107] = '\0';
	cr_expect_eq(dial(path, WAIT_MS, &hello, &r), -ENOENT);
}

/* A stopped collector: connections queue in the backlog and nobody answers. */
Test(dial, gives_up_at_the_deadline_when_nobody_answers)
{
	struct abi_region r;
	uint64_t start = now_ms();

	cr_expect_eq(dial(s.path, 30, &hello, &r), -ETIMEDOUT);
	cr_expect_geq(now_ms() - start, 29, "it did not wait");
}

Test(dial, gives_up_at_the_deadline_when_the_backlog_is_full)
{
	struct abi_region r;
	int r1 = 0;

	for (int i = 0; i < 64 && r1 != -ETIMEDOUT; i++) {
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

		memcpy(a.sun_path, s.path, sizeof(s.path));
		if (connect(fd, (void *)&a, sizeof(a)) && errno == EAGAIN)
			r1 = dial(s.path, 30, &hello, &r);
	}
	cr_expect_eq(r1, -ETIMEDOUT);
}

static void hang_up(struct server *srv, int c)
{
	(void)srv;
	(void)c;
}

static void wrong_magic(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	w.magic ^= 1;
	server_send(c, &w, sizeof(w), srv->memfd, 1);
}

static void other_major(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	w.abi_major++;
	server_send(c, &w, sizeof(w), srv->memfd, 1);
}

static void refusal(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	w.verdict = WELCOME_REFUSED;
	server_send(c, &w, sizeof(w), -1, 0);
}

static void refusal_with_a_descriptor(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	w.verdict = WELCOME_REFUSED;
	server_send(c, &w, sizeof(w), srv->memfd, 1);
}

static void short_welcome(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	server_send(c, &w, sizeof(w) - 1, srv->memfd, 1);
}

static void long_welcome(struct server *srv, int c)
{
	struct welcome w[2] = { server_good(srv), server_good(srv) };

	server_send(c, w, sizeof(w), srv->memfd, 1);
}

static void no_descriptor(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	server_send(c, &w, sizeof(w), -1, 0);
}

static void two_descriptors(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	server_send(c, &w, sizeof(w), srv->memfd, 2);
}

static void sixty_descriptors(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	server_send(c, &w, sizeof(w), srv->memfd, 60);
}

/* A file that could shrink under us would kill the program with SIGBUS. */
static void unsealed(struct server *srv, int c)
{
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct welcome w = server_good(srv);

	cr_assert_eq(write(fd, srv->r.header, srv->header.region_size), (ssize_t)srv->header.region_size);
	server_send(c, &w, sizeof(w), fd, 1);
	close(fd);
}

static void larger_than_the_file(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	w.region_size += 4096;
	server_send(c, &w, sizeof(w), srv->memfd, 1);
}

static void smaller_than_the_header_says(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	w.region_size -= 4096;
	server_send(c, &w, sizeof(w), srv->memfd, 1);
}

static void absurdly_large(struct server *srv, int c)
{
	struct welcome w = server_good(srv);

	w.region_size = UINT64_MAX;
	server_send(c, &w, sizeof(w), srv->memfd, 1);
}

static void broken_header(struct server *srv, int c)
{
	srv->r.header->off_lanes += 4096;
	server_welcome(srv, c);
}

static void a_pipe(struct server *srv, int c)
{
	struct welcome w = server_good(srv);
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	server_send(c, &w, sizeof(w), fds[0], 1);
	close(fds[0]);
	close(fds[1]);
}

Test(dial, refuses_a_welcome_that_is_not_quite_one)
{
	expect_refused(wrong_magic, -EPROTO);
	expect_refused(other_major, -EPROTO);
	expect_refused(refusal, -EPROTO);
	expect_refused(refusal_with_a_descriptor, -EPROTO);
	expect_refused(short_welcome, -EPROTO);
	expect_refused(long_welcome, -EPROTO);
}

static void hang_up_twice(struct server *srv, int c)
{
	if (srv->n_heard > 2)
		server_welcome(srv, c);
}

Test(dial, tries_the_next_collector_when_one_ends_while_they_talk)
{
	struct abi_region r;

	s.answer = hang_up_twice;
	server_start(&s);
	cr_assert_eq(dial(s.path, WAIT_MS, &hello, &r), 0);
	server_stop(&s);
	cr_expect_eq(s.n_heard, 3);
	cr_expect_eq(count_fds(), fds_before, "a descriptor is left open");
}

Test(dial, gives_up_when_they_all_hang_up)
{
	struct abi_region r = { 0 };

	s.answer = hang_up;
	server_start(&s);
	cr_expect_eq(dial(s.path, WAIT_MS, &hello, &r), -ECONNRESET);
	cr_expect_null(r.header);
	server_stop(&s);
	cr_expect_eq(s.n_heard, 8);
	cr_expect_eq(count_fds(), fds_before, "a descriptor is left open");
}

Test(dial, takes_exactly_one_descriptor)
{
	expect_refused(no_descriptor, -EPROTO);
	expect_refused(two_descriptors, -EPROTO);
	expect_refused(sixty_descriptors, -EPROTO);
}

Test(dial, maps_only_a_sealed_and_sound_region)
{
	expect_refused(unsealed, -EPROTO);
	expect_refused(larger_than_the_file, -EPROTO);
	expect_refused(smaller_than_the_header_says, -EPROTO);
	expect_refused(absurdly_large, -EPROTO);
	expect_refused(a_pipe, -EPROTO);
	expect_refused(broken_header, -EPROTO);
}

/* Only root can make a socket of another user; elsewhere there is nothing to test. */
Test(dial, does_not_talk_to_another_users_socket)
{
	struct abi_region r;
	int before = fds_before;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	close(s.listener);
	unlink(s.path);
	cr_assert_eq(chmod(s.dir, 0777) | seteuid(12345), 0);

	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, s.path, sizeof(s.path));
	s.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s.listener, (void *)&a, sizeof(a)) | listen(s.listener, 8), 0);
	cr_assert_eq(seteuid(0), 0);
	cr_expect_eq(dial(s.path, WAIT_MS, &hello, &r), -EACCES, "root trusts root and nobody else");
	cr_expect_eq(count_fds(), before);
}
