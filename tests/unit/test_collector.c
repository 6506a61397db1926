/* tests/unit/test_collector.c - a collector's start: socket paths, settings, and who may attach. */
#include <sys/stat.h>

#include "tests/unit/live_fixture.h"

static const struct collector_config exact = { .rate = 1 };

static int second_collector(struct bench *b, const char *path, struct fault *f)
{
	struct collector_config c = { .socket_path = path, .listen_fd = -1, .rate = 1, .out_dir = b->dir };
	struct collector *other = NULL;
	int r = collector_new(b->loop, &c, &other, f);

	collector_free(other);
	return r;
}

BACKENDS(collector, second_collector_on_a_live_socket_is_refused)
{
	struct bench b;
	struct fault f;

	bench_start(&b, *backend, exact);
	cr_assert_eq(second_collector(&b, b.sock, &f), -EADDRINUSE);
	cr_assert_not_null(strstr(f.text, "another collector is running"), "%s", f.text);
	assert_serves(&b);
	bench_stop(&b);
}

BACKENDS(collector, stale_socket_is_replaced)
{
	struct bench b;
	struct fault f;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	bench_start(&b, *backend, exact);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s/stale", b.dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd); /* as after kill -9: the file stays */
	cr_assert_eq(second_collector(&b, a.sun_path, &f), 0, "%s", f.text);
	cr_assert_neq(stat(a.sun_path, &st), 0, "removed at the end");
	bench_stop(&b);
}

/* Whoever listens there does not answer now, because its backlog is full. */
BACKENDS(collector, busy_socket_is_not_taken_for_a_stale_one)
{
	struct bench b;
	struct fault f;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, clients[10], n = 0;

	bench_start(&b, *backend, exact);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s/busy", b.dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)) | listen(fd, 0), 0);
	do {
		clients[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (connect(clients[n++], (struct sockaddr *)&a, sizeof(a)) == 0 && n < 10);
	cr_assert_eq(second_collector(&b, a.sun_path, &f), -EADDRINUSE);
	while (n)
		close(clients[--n]);
	close(fd);
	bench_stop(&b);
}

BACKENDS(collector, bad_socket_paths_are_refused_with_a_reason)
{
	struct bench b;
	struct fault f;
	char path[300];
	int fd;

	bench_start(&b, *backend, exact);
	snprintf(path, sizeof(path), "%s/file", b.dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	cr_assert_eq(second_collector(&b, path, &f), -EEXIST);
	cr_assert_not_null(strstr(f.text, "not a socket"), "%s", f.text);
	cr_assert_eq(access(path, F_OK), 0, "somebody's file was removed");
	snprintf(path, sizeof(path), "%s/none/s", b.dir);
	cr_assert_eq(second_collector(&b, path, &f), -ENOENT);
	memset(path, 'x', 200);
	path[200] = '\0';
	cr_assert_eq(second_collector(&b, path, &f), -ENAMETOOLONG);
	cr_assert_eq(second_collector(&b, "", &f), -ENAMETOOLONG);
	bench_stop(&b);
}

BACKENDS(collector, mode_of_the_socket_follows_who_may_attach)
{
	struct bench b;
	struct stat st;

	bench_start(&b, *backend, exact);
	cr_assert_eq(stat(b.sock, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	bench_stop(&b);
	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .any_uid = true });
	cr_assert_eq(stat(b.sock, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0666);
	bench_stop(&b);
}

BACKENDS(collector, passed_socket_is_used_and_stays_its_owners)
{
	struct bench b;
	struct collector_config c = { .rate = 1, .on_change = bench_on_change, .arg = &b };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct collector *first;
	struct fault f;

	bench_start(&b, *backend, exact);
	first = b.c;
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s/passed", b.dir);
	snprintf(b.sock, sizeof(b.sock), "%s", a.sun_path);
	c.out_dir = b.dir;
	c.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); /* blocking, as systemd may pass it */
	cr_assert_eq(bind(c.listen_fd, (struct sockaddr *)&a, sizeof(a)) | listen(c.listen_fd, 10), 0);
	cr_assert_eq(collector_new(b.loop, &c, &b.c, &f), 0, "%s", f.text);
	assert_serves(&b);
	collector_free(b.c);
	b.c = first;
	cr_assert_geq(shim_connect(b.sock), 0, "the backlog must still be there");
	close(c.listen_fd);
	bench_stop(&b);
}

struct bad_config {
	struct collector_config c;
	const char *reason;
};

Test(collector, bad_settings_are_refused_with_a_reason)
{
	struct bench b;
	struct collector *c;
	struct fault f;
	const struct bad_config bad[] = {
		{ { .rate = 0, .out_dir = "/" }, "rate 0" },
		{ { .rate = ABI_MAX_RATE + 1, .out_dir = "/" }, "out of range" },
		{ { .rate = 1, .max_depth = ABI_MAX_DEPTH + 1, .out_dir = "/" }, "depth" },
		{ { .rate = 1, .out_dir = "/nonexistent" }, "/nonexistent: No such file" },
		{ { .rate = 1, .out_dir = "/proc/self/status" }, "Not a directory" },
	};

	bench_start(&b, "epoll", exact);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct collector_config config = bad[i].c;

		config.socket_path = "unused";
		config.listen_fd = -1;
		cr_assert_lt(collector_new(b.loop, &config, &c, &f), 0, "%zu", i);
		cr_assert_not_null(strstr(f.text, bad[i].reason), "%s", f.text);
	}
	bench_stop(&b);
}

/* Needs root: a client with another uid. */
static int attach_as_nobody(struct bench *b)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct abi_region r;

		alarm(LIMIT_S);
		if (setresuid(65534, 65534, 65534))
			_exit(98);
		_exit(shim_attach(b->sock, &r) ? 0 : 1);
	}
	TURN_UNTIL(b->loop, waitpid(pid, &status, WNOHANG) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct uid_case {
	char backend[8];
	bool any_uid;
};

ParameterizedTestParameters(collector, other_users_attach_only_where_all_may)
{
	static struct uid_case cases[] = {
		{ "uring", false }, { "epoll", false }, { "uring", true }, { "epoll", true }
	};

	return cr_make_param_array(struct uid_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct uid_case *u, collector, other_users_attach_only_where_all_may, .timeout = 3 * LIMIT_S)
{
	struct bench b;

	if (getuid() != 0)
		cr_skip_test("only root can be two users");
	bench_start(&b, u->backend, (struct collector_config){ .rate = 1, .any_uid = u->any_uid });
	chmod(b.dir, 0755);
	chmod(b.sock, 0666); /* whatever the mode says: the collector asks the kernel who it is */
	cr_assert_eq(attach_as_nobody(&b), u->any_uid ? 0 : 1);
	bench_stop(&b);
}
