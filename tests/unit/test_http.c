/* tests/unit/test_http.c - HTTP's text: targets, parameters, names of a host, tokens; whose connection it is. */
#include <arpa/inet.h>

#include "collectord/http/door.h"
#include "collectord/http/request.h"
#include "collectord/http/token.h"
#include "tests/unit/http_fixture.h"

Test(http_request, paths_are_exact)
{
	static const struct {
		const char *target;
		enum endpoint endpoint;
		uint32_t pid;
	} rows[] = {
		{ "/", ENDPOINT_ROOT, 0 },
		{ "/debug/pprof", ENDPOINT_DIRECTORY, 0 },
		{ "/debug/pprof/", ENDPOINT_INDEX, 0 },
		{ "/debug/pprof/heap", ENDPOINT_HEAP, 0 },
		{ "/debug/pprof/heap?debug=1", ENDPOINT_HEAP, 0 },
		{ "/debug/pprof/heap?a=/debug/pprof/allocs", ENDPOINT_HEAP, 0 },
		{ "/debug/pprof/allocs", ENDPOINT_ALLOCS, 0 },
		{ "/debug/pprof/peak", ENDPOINT_PEAK, 0 },
		{ "/debug/pprof/cmdline", ENDPOINT_CMDLINE, 0 },
		{ "/debug/pprof/symbol?0x1+0x2", ENDPOINT_SYMBOL, 0 },
		{ "/pprof/heap", ENDPOINT_HEAPTEXT, 0 },
		{ "/pprof/symbol", ENDPOINT_SYMBOL, 0 },
		{ "/pprof/cmdline", ENDPOINT_CMDLINE, 0 },
		{ "/pid/17/debug/pprof/heap", ENDPOINT_HEAP, 17 },
		{ "/pid/17/debug/pprof", ENDPOINT_DIRECTORY, 17 },
		{ "/pid/2147483647/pprof/heap", ENDPOINT_HEAPTEXT, INT32_MAX },
		{ "/debug/pprof/heap/", ENDPOINT_UNKNOWN, 0 },
		{ "/debug/pprof/heaps", ENDPOINT_UNKNOWN, 0 },
		{ "/debug/pprof/../heap", ENDPOINT_UNKNOWN, 0 },
		{ "/debug/pprof/%68eap", ENDPOINT_UNKNOWN, 0 },
		{ "/debug/pprof/HEAP", ENDPOINT_UNKNOWN, 0 },
		{ "/Debug/pprof/heap", ENDPOINT_NONE, 0 },
		{ "/pprof/", ENDPOINT_NONE, 0 },
		{ "/pid/17/", ENDPOINT_NONE, 17 },
		{ "/pid/17", ENDPOINT_NONE, 0 },
		{ "/pid/0/debug/pprof/heap", ENDPOINT_NONE, 0 },
		{ "/pid/017/debug/pprof/heap", ENDPOINT_NONE, 0 },
		{ "/pid/17x/debug/pprof/heap", ENDPOINT_NONE, 0 },
		{ "/pid/2147483648/debug/pprof/heap", ENDPOINT_NONE, 0 },
		{ "/pid/17/pid/17/debug/pprof/heap", ENDPOINT_NONE, 17 },
		{ "", ENDPOINT_NONE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct route r = route_of(rows[i].target);

		cr_assert_eq(r.endpoint, rows[i].endpoint, "%s: %d", rows[i].target, r.endpoint);
		cr_assert_eq(r.pid, rows[i].pid, "%s: pid %u", rows[i].target, r.pid);
	}
}

Test(http_request, the_first_parameter_of_a_name_counts)
{
	char buf[8];

	cr_assert(query_get("a=1&b=2&a=3", "a", buf, sizeof(buf)));
	cr_assert_str_eq(buf, "1");
	cr_assert(query_get("xa=1&a=2", "a", buf, sizeof(buf)));
	cr_assert_str_eq(buf, "2");
	cr_assert(query_get("a=b=c", "a", buf, sizeof(buf)));
	cr_assert_str_eq(buf, "b=c");
	cr_assert(!query_get("a&b=1", "a", buf, sizeof(buf)));
	cr_assert(!query_get("a=", "a", buf, sizeof(buf)));
	cr_assert(!query_get("a=12345678", "a", buf, sizeof(buf)), "8 characters and the NUL");
	cr_assert(query_get("a=1234567", "a", buf, sizeof(buf)));
	cr_assert(!query_get("", "a", buf, sizeof(buf)));
	cr_assert(!query_get("&&&", "a", buf, sizeof(buf)));
}

Test(http_request, numbers_are_go_s)
{
	cr_assert(query_is_nonzero("debug=1", "debug"));
	cr_assert(query_is_nonzero("debug=-1", "debug"));
	cr_assert(query_is_nonzero("debug=+2", "debug"));
	cr_assert(query_is_nonzero("debug=99999999999999999999", "debug"), "out of range, as Go takes it");
	cr_assert(!query_is_nonzero("debug=0", "debug"));
	cr_assert(!query_is_nonzero("debug=00", "debug"));
	cr_assert(!query_is_nonzero("debug=1x", "debug"));
	cr_assert(!query_is_nonzero("debug=true", "debug"));
	cr_assert(!query_is_nonzero("debug", "debug"));
}

Test(http_door, hosts_are_those_it_is_meant_to_be_called_by)
{
	const struct door local = { .is_loopback = true, .name = "127.0.0.1" };
	const struct door named = { .is_loopback = true, .name = "box.example" }, open = { .name = "*" };
	const struct door path = { .is_unix = true };
	static const char *const always[] = { "localhost", "LocalHost:80", "127.0.0.1", "127.1.2.3:6061",
					      "[::1]",     "[::1]:6061",   "127.0.0.1:" };
	static const char *const never[] = { "evil.test",
					     "localhost.evil.test",
					     "127.0.0.1.evil.test",
					     "",
					     ":80",
					     "[::1",
					     "[]",
					     "localhost:x",
					     "a@localhost",
					     "::1",
					     "localhost/",
					     "localhost evil.test" };

	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		cr_assert(door_is_named(&local, always[i]), "%s", always[i]);
		cr_assert(door_is_named(&open, always[i]), "%s", always[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		cr_assert(!door_is_named(&local, never[i]), "%s", never[i]);
		cr_assert(!door_is_named(&open, never[i]), "%s", never[i]);
	}
	cr_assert(!door_is_named(&local, NULL));
	cr_assert(!door_is_named(&local, "10.1.2.3"), "nobody gets here by that");
	cr_assert(door_is_named(&open, "10.1.2.3:6061"));
	cr_assert(door_is_named(&named, "box.example:1") && !door_is_named(&local, "box.example"));
	cr_assert(door_is_named(&path, "whatever"), "nobody points a name at a path");
}

Test(http_door, addresses_are_checked)
{
	static const char *const wrong[] = {
		"",         "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x",
		"::1:6061", "[::1:6061"
	};
	struct door d;
	struct fault f;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		cr_assert_lt(door_open_tcp(wrong[i], &d, &f), 0, "%s", wrong[i]);
	cr_assert_eq(door_open_tcp("0", &d, &f), 0, "%s", f.text);
	cr_assert(d.is_loopback && d.port, "only this machine");
	door_close(&d);
	cr_assert_eq(door_open_tcp("*:0", &d, &f), 0, "%s", f.text);
	cr_assert(!d.is_loopback);
	door_close(&d);
}

static int connect_tcp(uint16_t port)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(sock, (const struct sockaddr *)&at, sizeof(at)), 0);
	return sock;
}

/* The kernel's word about a connection of a child that became user `uid`. */
static int peer_of_user(uid_t uid, uint32_t *ret)
{
	struct door d;
	struct fault f;
	int go[2], server, r;
	pid_t pid;

	cr_assert_eq(door_open_tcp("0", &d, &f), 0, "%s", f.text);
	cr_assert_eq(pipe(go), 0);
	pid = fork();
	if (!pid) {
		char c;

		close(go[1]);
		if (uid != getuid() && (setgid(uid) || setuid(uid)))
			_exit(1);
		connect_tcp(d.port);
		_exit(read(go[0], &c, 1) < 0); /* till the parent has seen it */
	}
	close(go[0]);
	fcntl(d.fd, F_SETFL, 0);
	server = accept(d.fd, NULL, NULL);
	r = door_tcp_peer(server, ret);
	close(go[1]);
	waitpid(pid, NULL, 0);
	close(server);
	door_close(&d);
	return r;
}

Test(http_door, the_kernel_says_whose_connection_it_is, .timeout = 60)
{
	uint32_t uid = UINT32_MAX;

	if (!door_can_tell_peers())
		cr_skip_test("no inet_diag here");
	cr_assert_eq(peer_of_user(getuid(), &uid), 0);
	cr_assert_eq(uid, getuid());
	if (getuid() != 0)
		return;
	cr_assert_eq(peer_of_user(50001, &uid), 0);
	cr_assert_eq(uid, 50001);
}

Test(http_token, a_file_is_made_once_and_only_its_owner_reads_it)
{
	char dir[128], path[192], first[TOKEN_MAX], again[TOKEN_MAX];
	struct stat st;
	struct fault f;

	scratch_dir(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/token", dir);
	umask(0);
	cr_assert_eq(token_of_file(path, first, &f), 0, "%s", f.text);
	cr_assert_geq(strlen(first), 64);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(token_of_file(path, again, &f), 0);
	cr_assert_str_eq(first, again);
	chmod(path, 0640);
	cr_assert_eq(token_of_file(path, again, &f), -EPERM);
	cr_assert(strstr(f.text, "chmod 600"), "%s", f.text);
	unlink(path);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_lt(token_of_file(path, again, &f), 0, "not through a link");
	remove_dir(dir);
}

Test(http_token, two_are_never_the_same)
{
	char one[TOKEN_MAX], other[TOKEN_MAX];

	cr_assert_eq(token_make(one), 0);
	cr_assert_eq(token_make(other), 0);
	cr_assert_str_neq(one, other);
}
