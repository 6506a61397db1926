/* tests/unit/test_debug_server.c - a server that never answers holds us up no longer than we say: 100 questions to
 * it would take the library hours, and the test would be killed. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/profile/debug_server.h"
#include "tests/unit/tool.h"

/* A server that accepts (the kernel does) and says nothing. */
static int listen_mute(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64], cache[PATH_MAX];

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 5), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(a.sin_port));
	setenv("DEBUGINFOD_URLS", url, 1);
	setenv("DEBUGINFOD_CACHE_PATH", tool_scratch(cache, "server_cache"), 1);
	unsetenv("DEBUGINFOD_TIMEOUT"); /* its own patience is 90 s for each file */
	return fd;
}

Test(debug_server, a_mute_server_is_left_at_the_deadline)
{
	static const uint8_t id[20] = { 1, 2, 3 };
	int fd = listen_mute();
	struct debug_server *s;
	char *path;

	if (debug_server_open(1, &s) == -ELIBACC)
		cr_skip_test("libdebuginfod is not installed");
	cr_assert_null(getenv("DEBUGINFOD_URLS"), "hidden from elfutils");
	for (int i = 0; i < 100; i++)
		cr_assert_lt(debug_server_find(s, i % 2 ? DEBUG_SERVER_PROGRAM : DEBUG_SERVER_SYMBOLS, id,
					       sizeof(id), &path),
			     0);
	cr_assert(debug_server_is_late(s));
	debug_server_close(s);
	cr_assert_not_null(getenv("DEBUGINFOD_URLS"));
	close(fd);
}

Test(debug_server, without_a_server_there_is_nobody_to_ask)
{
	struct debug_server *s;
	char *path;

	unsetenv("DEBUGINFOD_URLS");
	cr_assert_eq(debug_server_open(1, &s), -ENOENT);
	setenv("DEBUGINFOD_URLS", "", 1);
	cr_assert_eq(debug_server_open(1, &s), -ENOENT);
	cr_assert_lt(debug_server_find(NULL, DEBUG_SERVER_SYMBOLS, (const uint8_t *)"x", 1, &path), 0);
	debug_server_close(NULL);
}
