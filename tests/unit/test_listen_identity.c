/* tests/unit/test_listen_identity.c - who a client is: the process that connected, in the kernel's words, whoever
 * has its socket meanwhile; on this kernel, and on one that cannot say it as a pidfd.
 *
 * Each test runs on both backends of the loop. */
#include <poll.h>
#include <seccomp.h>

#include "tests/unit/live_fixture.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static const struct collector_config exact = { .rate = 1 };

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* --- a connected socket that changes hands --- */

/* Another user says hello by a socket that we connected, and maps what comes. */
static pid_t greet_for_us(int sock)
{
	struct hello h = good_hello();
	struct abi_region r;
	struct welcome w;
	pid_t child = fork();
	int fd;

	if (child)
		return child;
	alarm(2 * LIMIT_S);
	if ((geteuid() == 0 && setuid(50001)) || send(sock, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h) ||
	    !shim_welcome(sock, &w, &fd) || w.verdict != WELCOME_OK || !shim_map(&w, fd, &r))
		_exit(1);
	_exit(0); /* says by the region who it is: its own pid stands in there */
}

/* Who connected is whose it is: it answers for what it gives away. */
BACKENDS(listen_identity, a_socket_passed_on_is_of_who_connected)
{
	struct bench b;
	int sock, status;
	pid_t child;

	bench_start(&b, *backend, exact);
	sock = shim_connect(b.sock);
	child = greet_for_us(sock);
	close(sock);
	TURN_UNTIL(b.loop, waitpid(child, &status, WNOHANG) == child);
	cr_assert_eq(status, 0);
	cr_assert_eq(b.started, 1);
	cr_assert_eq(b.view.pid, (uint32_t)getpid());
	cr_assert_eq(b.view.uid, getuid());
	cr_assert_eq(b.ended, 0, "it ends with who connected, not with who had the socket");
	assert_serves(&b);
	bench_stop(&b);
}

/* --- before Linux 6.5, as on Debian 12's own 6.1: who connected is a pid, not a pidfd ---------------------------
 */

static void be_an_older_kernel(void)
{
	const struct scmp_arg_cmp asked = { .arg = 2, .op = SCMP_CMP_EQ, .datum_a = SO_PEERPIDFD };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), pidfd;
	socklen_t len = sizeof(pidfd);

	cr_assert_eq(seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOPROTOOPT), SCMP_SYS(getsockopt), 1, asked), 0);
	cr_assert_eq(seccomp_load(f), 0);
	seccomp_release(f);
	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len), -1);
	cr_assert_eq(errno, ENOPROTOOPT);
	close(fd);
}

enum after { STAYS, ENDS, BECOMES_ANOTHER };

/* A child connects by `sock`, which we have, too, and says hello; returns when it is what it is to be after that.
 */
static pid_t greet_by_child(const char *path, int sock, enum after after)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct hello h = good_hello();
	int done[2], status;
	pid_t child;
	char c;

	snprintf(a.sun_path, sizeof(a.sun_path), "%.107s", path);
	cr_assert_eq(pipe(done), 0);
	child = fork();
	if (child == 0) {
		alarm(2 * LIMIT_S);
		if (connect(sock, (struct sockaddr *)&a, sizeof(a)) || send(sock, &h, sizeof(h), 0) != sizeof(h) ||
		    (after == BECOMES_ANOTHER && setuid(50001)) || write(done[1], "x", 1) != 1)
			_exit(1);
		while (after != ENDS)
			pause();
		_exit(0);
	}
	close(done[1]);
	cr_assert_eq(read(done[0], &c, 1), 1);
	close(done[0]);
	if (after == ENDS)
		cr_assert_eq(waitpid(child, &status, 0), child);
	return child;
}

static void assert_recorded(const char *backend, enum after after, bool expected)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct bench b;
	pid_t child;

	be_an_older_kernel();
	bench_start(&b, backend, (struct collector_config){ .rate = 1, .any_uid = true });
	child = greet_by_child(b.sock, sock, after);
	TURN_UNTIL(b.loop, readable(sock));
	cr_assert_eq(b.started, expected, "sessions");
	close(sock);
	if (after != ENDS)
		kill(child, SIGKILL);
	TURN_UNTIL(b.loop, b.ended == expected);
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(listen_identity, older_kernel_programs_are_recorded)
{
	assert_recorded(*backend, STAYS, true);
}

BACKENDS(listen_identity, older_kernel_pid_of_nobody_is_not_recorded)
{
	assert_recorded(*backend, ENDS, false);
}

/* As if the pid were another process's by now. */
BACKENDS(listen_identity, older_kernel_pid_of_another_user_is_not_recorded)
{
	if (geteuid())
		cr_skip_test("only root can be several users");
	assert_recorded(*backend, BECOMES_ANOTHER, false);
}
