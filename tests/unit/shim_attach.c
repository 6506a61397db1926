/* tests/unit/shim_attach.c - what the constructor does: who it says it is, what it arms, when it stays away.
 *
 * attach_start() is called by the test itself; each Criterion test is a process of its own.  In these processes
 * libc's malloc is in front, not a hook, which the shim notices and reports: so the hello carries that status, and
 * the armed cases run real victims under the built library (tests/unit/shim_hooks.c). */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "preload/attach.h"
#include "preload/real.h"
#include "tests/unit/shim_server.h"

static struct server s;

static void setup(void)
{
	struct abi_geometry geo = { 1, 16, 2, 64, 4096, 64, 8, 4096 };

	server_init(&s, 1, &geo);
	server_start(&s);
}

static void teardown(void)
{
	server_stop(&s);
	server_done(&s);
}

TestSuite(attach, .init = setup, .fini = teardown, .timeout = 60);

static void start(char **argv, const char *wait)
{
	char socket_var[128], wait_var[64];
	char *envp[] = { "HEAPTAP_SOCKETS=/wrong", socket_var, wait_var, NULL };
	int argc = 0;

	while (argv[argc])
		argc++;
	snprintf(socket_var, sizeof(socket_var), "HEAPTAP_SOCKET=%s", s.path);
	snprintf(wait_var, sizeof(wait_var), "HEAPTAP_WAIT_MS=%s", wait);
	attach_start(argc, argv, envp);
}

Test(attach, introduces_the_program)
{
	char *argv[] = { "prog", "--flag", "", "last", NULL }, exe[1024] = { 0 };

	start(argv, "5000");
	server_stop(&s);
	cr_assert_eq(s.n_heard, 1);
	cr_expect_eq(s.heard.magic, HELLO_MAGIC);
	cr_expect_eq(s.heard.abi_major, ABI_MAJOR);
	cr_expect_eq(s.heard.size, sizeof(struct hello));
	cr_expect_eq(s.heard.ppid, (uint32_t)getppid());
	cr_assert_gt(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
	cr_expect_str_eq(s.heard.exe, exe);
	cr_expect_eq(s.heard.cmdline_len, 18);
	cr_expect_eq(memcmp(s.heard.cmdline, "prog\0--flag\0\0last", 18), 0);
	server_start(&s);
}

Test(attach, cuts_a_long_command_line)
{
	static char word[700];
	char *argv[] = { word, word, word, word, NULL };

	memset(word, 'w', sizeof(word) - 1);
	start(argv, "5000");
	server_stop(&s);
	cr_assert_eq(s.n_heard, 1);
	cr_expect_eq(s.heard.cmdline_len, sizeof(s.heard.cmdline));
	cr_expect_eq(s.heard.cmdline[sizeof(s.heard.cmdline) - 1], '\0');
	cr_expect_eq(s.heard.cmdline[699], '\0');
	cr_expect_eq(s.heard.cmdline[1022], 'w');
	server_start(&s);
}

Test(attach, stays_passive_where_its_malloc_is_not_the_one_called)
{
	char *argv[] = { "prog", NULL };

	start(argv, "5000");
	server_stop(&s);
	cr_expect_eq(s.heard.status, HELLO_BEHIND_ANOTHER);
	cr_expect_not_null(strstr(s.heard.allocator, "libc.so.6"), "in front: %s", s.heard.allocator);
	cr_expect_eq(attach_holder(), 0);
	cr_expect(attach_over());
	server_start(&s);
}

Test(attach, takes_nonsense_for_the_default_wait)
{
	static const char *const waits[] = { "", "0", "-1", "10001", "99999999999", "5x", "x", "5000:", "5000:1x" };
	char *argv[] = { "prog", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		start(argv, waits[i]);
	server_stop(&s);
	cr_expect_gt(s.n_heard, 0, "none of them may keep it from saying hello");
	server_start(&s);
}

Test(attach, survives_no_environment_and_no_arguments)
{
	char *none[] = { NULL };

	attach_start(0, none, none);
	cr_expect(attach_over());
	cr_expect_eq(attach_holder(), 0);
}

Test(attach, finds_libcs_own_functions)
{
	cr_expect_not_null(real_libc("clock_gettime"));
	cr_expect_not_null(real_libc("getauxval"));
	cr_expect_null(real_libc("no_such_function_anywhere"));
}
