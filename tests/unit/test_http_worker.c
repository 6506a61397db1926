/* tests/unit/test_http_worker.c - profiles are made by other processes: what their death, their delay and their
 * clients' going away cost, and what they may not do. */
#include <dlfcn.h>
#include <grp.h>
#include <poll.h>
#include <sys/stat.h>

#include "collectord/http/job.h"
#include "collectord/http/worker_sandbox.h"
#include "collectord/profile/vdso_file.h"
#include "tests/unit/http_fixture.h"

static struct site s;
static struct answer a;

/* A script that does BODY, then becomes this program's worker. */
static const char *script(const char *body)
{
	static char path[256];
	char self[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/worker", s.b.dir);
	cr_assert_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	f = fopen(path, "w");
	fprintf(f, "#!/bin/bash\n%s\nexec -a heaptap-worker '%s'\n", body, self);
	fclose(f);
	chmod(path, 0700);
	return path;
}

static unsigned children(void)
{
	char path[64], text[4096] = "";
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	cr_assert_not_null(f);
	if (fgets(text, sizeof(text), f))
		for (const char *c = text; *c; c++)
			n += *c == ' ';
	fclose(f);
	return n;
}

Test(http_worker, profiles_have_names)
{
	site_start(&s, NULL);
	site_record(&s);
	ask(&s, "/debug/pprof/heap?debug=1", &a);
	cr_assert_eq(status_of(&a), 200, "%s", a.text);
	cr_assert(strstr(body_of(&a), RECORDED "+0x"), "%s", a.text);
	cr_assert(strstr(body_of(&a), "1: 4096 [1: 4096] @"), "%s", a.text);
	cr_assert_eq(s.requests, 1);
	site_stop(&s);
}

static int publish_vdso(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	if (!strstr(info->dlpi_name, "vdso"))
		return 0;
	publish_program_as(info, arg, VDSO_NAME);
	return 1;
}

/* It is in no file system; where nothing can be written, it must be found all the same. */
Test(http_worker, the_vdso_has_names)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	const char *code = vdso ? dlsym(vdso, "__vdso_clock_gettime") : NULL;
	struct abi_event e;

	if (!code)
		cr_skip_test("this kernel has no vdso");
	site_start(&s, NULL);
	bench_attach_self(&s.b, &s.r);
	cr_assert(dl_iterate_phdr(publish_vdso, &s.r));
	e = event(ABI_EVENT_ALLOC, 4096, 1, shim_stack(&s.r, (uintptr_t)code + 2, 1));
	shim_emit(&s.r, &e);
	ask(&s, "/debug/pprof/heap?debug=1", &a);
	cr_assert(strstr(body_of(&a), "clock_gettime+0x"), "%s", a.text);
	site_stop(&s);
	dlclose(vdso);
}

Test(http_worker, one_that_dies_costs_the_names_not_the_answer)
{
	static const char *const deaths[] = { "kill -9 $$", "kill -SEGV $$", "exit 1" };

	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		char body[128];

		site_start(&s, NULL);
		site_record(&s);
		snprintf(body, sizeof(body), "mkdir \"$0.once\" 2>/dev/null && %s", deaths[i]);
		worker_program = script(body);
		ask(&s, "/debug/pprof/heap?debug=1", &a);
		cr_assert_eq(status_of(&a), 200, "%s: %s", deaths[i], a.text);
		cr_assert(!strstr(body_of(&a), RECORDED), "%s: nobody died", deaths[i]);
		cr_assert(strstr(body_of(&a), "1: 4096 [1: 4096] @"), "%s: %s", deaths[i], a.text);
		site_stop(&s);
	}
}

Test(http_worker, one_that_dies_each_time_is_an_error_of_go)
{
	site_start(&s, NULL);
	site_record(&s);
	worker_program = script("exit 1");
	ask(&s, "/debug/pprof/heap", &a);
	cr_assert_eq(status_of(&a), 500);
	cr_assert_str_eq(body_of(&a), "failed to collect profile\n");
	ask(&s, "/debug/pprof/symbol?0x1", &a);
	cr_assert_eq(status_of(&a), 200, "whose client gives up on any error");
	cr_assert_str_eq(body_of(&a), "num_symbols: 1\n");
	site_stop(&s);
}

static int result = 1;

static void on_done(void *arg, int r, struct bytes answer)
{
	(void)arg;
	bytes_done(&answer);
	result = r;
}

Test(http_worker, one_that_takes_too_long_is_killed)
{
	const struct task t = { .magic = TASK_MAGIC, .kind = TASK_PPROF };
	const struct task_parts parts = { .memory = NULL };
	struct workers *all;
	struct worker *w;

	site_start(&s, NULL);
	all = workers_new(s.b.loop, 1);
	worker_program = script("kill -STOP $$");
	cr_assert_eq(worker_start(all, &t, &parts, 200, on_done, NULL, &w), 0);
	cr_assert(workers_are_busy(all));
	TURN_UNTIL(s.b.loop, result <= 0);
	cr_assert_eq(result, -ETIMEDOUT);
	TURN_UNTIL(s.b.loop, !workers_are_busy(all));
	cr_assert_eq(children(), 0, "no zombie");
	workers_free(all);
	site_stop(&s);
}

Test(http_worker, draining_goes_on_while_one_is_stuck)
{
	int sock;

	site_start(&s, NULL);
	worker_program = script("kill -STOP $$");
	site_record(&s);
	sock = client_open(&s);
	client_send(sock, "GET /debug/pprof/heap HTTP/1.0\r\nHost: a\r\n\r\n", 43);
	TURN_UNTIL(s.b.loop, children() == 1);
	assert_serves(&s.b);
	ask(&s, "/debug/pprof/", &a);
	cr_assert_eq(status_of(&a), 200);
	close(sock);
	TURN_UNTIL(s.b.loop,
		   children() == 1); /* the program that was served: nobody waits for the worker any more */
	site_stop(&s);
}

Test(http_worker, the_end_of_the_server_ends_what_is_under_way)
{
	int socks[8];

	site_start(&s, NULL);
	worker_program = script("kill -STOP $$");
	site_record(&s);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		const char *target = i % 2 ? "heap?seconds=3600" : "heap";
		char request[128];
		int n = snprintf(request, sizeof(request), "GET /debug/pprof/%s HTTP/1.0\r\nHost: a\r\n\r\n",
				 target);

		socks[i] = client_open(&s);
		client_send(socks[i], request, (size_t)n);
	}
	TURN_UNTIL(s.b.loop, s.requests == ARRAY_SIZE(socks) && children() == 2); /* of one user */
	site_stop(&s);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		close(socks[i]);
}

/* --- what it may do ------------------------------------------------------------------------------------------ */

static const char *folder; /* where it may write */

/* What becomes of `body` in a process of its own. */
static int status_in_sandbox(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(sandbox_limit() || sandbox_close(&folder) ? 99 : body());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int reads(void)
{
	char buf[16];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *at = malloc(1 << 20);

	free(at);
	return fd < 0 || !at || read(fd, buf, sizeof(buf)) != sizeof(buf);
}

static bool is_refused(long r)
{
	return r < 0 && errno == EPERM;
}

static int does_harm(void)
{
	if (!is_refused(open("made", O_WRONLY | O_CREAT, 0600)) || !is_refused(open("/dev/null", O_WRONLY)) ||
	    !is_refused(open("/proc/self/exe", O_RDWR)))
		return 1;
	if (!is_refused(socket(AF_UNIX, SOCK_STREAM, 0)) || !is_refused(socket(AF_INET, SOCK_STREAM, 0)))
		return 2;
	if (!is_refused(fork()) || !is_refused(execl("/bin/true", "true", (char *)NULL)))
		return 3;
	if (!is_refused(unlink("made")) || !is_refused(mkdir("made", 0700)) || !is_refused(chmod(".", 0700)))
		return 4;
	return !is_refused(kill(getppid(), 0)) || !is_refused(setuid(0)) ? 5 : 0;
}

Test(http_sandbox, reading_works)
{
	cr_assert_eq(status_in_sandbox(reads), 0);
}

Test(http_sandbox, nothing_else_does)
{
	cr_assert_eq(status_in_sandbox(does_harm), 0);
}

static int writes_there(void)
{
	char path[256], other[256], kept[256];
	int fd;

	if (!folder)
		return 98; /* no Landlock */
	snprintf(path, sizeof(path), "%s/made", folder);
	snprintf(other, sizeof(other), "%s/../made", folder);
	snprintf(kept, sizeof(kept), "%s/../kept", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || futimens(fd, NULL))
		return 1;
	if (open(other, O_WRONLY | O_CREAT, 0600) >= 0 || open("/dev/null", O_WRONLY) >= 0 ||
	    !renameat(AT_FDCWD, path, AT_FDCWD, other) || !mkdir(other, 0700) || !unlinkat(AT_FDCWD, kept, 0) ||
	    open(kept, O_WRONLY) >= 0 || !truncate(path, 0) || !chmod(path, 0777))
		return 2;
	if (!is_refused(socket(AF_UNIX, SOCK_STREAM, 0)) || !is_refused(fork()))
		return 3;
	return unlinkat(AT_FDCWD, path, 0) ? 4 : 0;
}

Test(http_sandbox, one_folder_may_be_written_in)
{
	char dir[128], inner[192], kept[192];
	int status;

	scratch_dir(dir, sizeof(dir));
	snprintf(inner, sizeof(inner), "%s/in", dir);
	cr_assert_eq(mkdir(inner, 0700), 0);
	snprintf(kept, sizeof(kept), "%s/kept", dir);
	close(open(kept, O_WRONLY | O_CREAT, 0600));
	folder = inner;
	status = status_in_sandbox(writes_there);
	remove_dir(dir);
	if (status == 98)
		cr_skip_test("no Landlock here");
	cr_assert_eq(status, 0);
}

static int changes_user(void)
{
	gid_t groups[4];

	if (sandbox_become(50001, (uint32_t)getpid()))
		return 1;
	if (getuid() != 50001 || geteuid() != 50001 || getgid() == 0 || getegid() == 0 || getgroups(4, groups) != 0)
		return 2;
	return open("/etc/shadow", O_RDONLY) >= 0 || setuid(0) == 0 ? 3 : 0;
}

static int gives_up_root(void)
{
	if (sandbox_become(0, (uint32_t)getpid()))
		return 1;
	return setgroups(0, NULL) == 0 || setuid(50001) == 0 ? 2 : 0;
}

static int status_of_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(body());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Test(http_sandbox, root_opens_as_the_user_whose_program_it_is)
{
	if (geteuid() != 0)
		cr_skip_test("only root becomes somebody else");
	cr_assert_eq(status_of_child(changes_user), 0);
	cr_assert_eq(status_of_child(gives_up_root), 0);
}
