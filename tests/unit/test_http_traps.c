/* tests/unit/test_http_traps.c - a program says which files its code came from: devices, FIFOs, what the kernel
 * makes up, files of absurd size, links that change.  Every page is answered, no trap is opened, nothing of them is
 * told.
 *
 * inotify is the judge of what was opened: looking at what a name leads to (O_PATH) does not count as that. */
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tests/unit/http_fixture.h"

#define BASE 0x100000000000ull /* no program of the fixture is there */
#define SPAN 0x1000000ull

static struct site s;
static struct answer a;
static char traps[16][PATH_MAX];
static unsigned n_traps;

static const char *below(const char *name)
{
	snprintf(traps[n_traps], sizeof(traps[n_traps]), "%.150s/%s", s.b.dir, name);
	return traps[n_traps++];
}

static void known(const char *path)
{
	snprintf(traps[n_traps++], sizeof(traps[0]), "%s", path);
}

/* The beginning of this program, then nothing, up to `size`. */
static void make_sparse(const char *path, off_t size)
{
	int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644),
	    in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char head[4096];

	cr_assert_eq(read(in, head, sizeof(head)), (ssize_t)sizeof(head));
	cr_assert_eq(write(out, head, sizeof(head)), (ssize_t)sizeof(head));
	if (ftruncate(out, size)) /* a file system that has no such files */
		cr_assert_eq(errno, EFBIG, "%s", strerror(errno));
	close(in);
	close(out);
}

/* Those that must not be opened come first: *ret_n of them. */
static void make_traps(unsigned *ret_n)
{
	n_traps = 0;
	cr_assert_eq(mkfifo(below("fifo"), 0666), 0);
	cr_assert_eq(mkdir(below("folder"), 0755), 0);
	close(open(below("empty"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)); /* as /proc/kmsg is */
	if (mknod(below("zero"), S_IFCHR | 0666, makedev(1, 5)))
		n_traps--; /* not root */
	*ret_n = n_traps;
	make_sparse(below("large"), (off_t)10 << 30);
	make_sparse(below("enormous"), (off_t)100 << 30);
	known("/etc/shadow");
	known("/dev/zero");
	known("/proc/kmsg");
	known("/proc/self/mem");
	known("/proc/self/root/etc/shadow");
	known("relative");
	known("");
}

static int watch_traps(unsigned n)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	for (unsigned i = 0; i < n; i++)
		cr_assert_geq(inotify_add_watch(fd, traps[i], IN_OPEN | IN_ACCESS), 0, "%s", traps[i]);
	return fd;
}

static void assert_unopened(int watch, const char *after)
{
	char events[4096];

	cr_assert_eq(read(watch, events, sizeof(events)), -1, "%s: a trap was opened", after);
	cr_assert_eq(errno, EAGAIN);
}

static void say_modules(void)
{
	bench_attach_self(&s.b, &s.r);
	for (unsigned i = 0; i < n_traps; i++) {
		const uint64_t start = BASE + i * SPAN;
		struct module_info m = { .start = start, .end = start + SPAN, .bias = start, .build_id_len = 20 };
		struct abi_event e = event(ABI_EVENT_ALLOC, 64, 1, shim_stack(&s.r, start + 0x1000, 1));

		memset(m.build_id, 0xab, 20);
		cr_assert(module_publish(&s.r, &m, traps[i], (uint32_t)strlen(traps[i])));
		shim_emit(&s.r, &e);
	}
}

Test(http_traps, no_file_a_program_names_is_a_trap, .timeout = 120)
{
	static const char *const pages[] = { "/debug/pprof/heap", "/debug/pprof/heap?debug=1", "/pprof/heap",
					     "/debug/pprof/symbol?0x100000001000+0x100001001000+0x100005001000" };
	unsigned untouchable;
	int watch;

	site_start(&s, NULL);
	make_traps(&untouchable);
	watch = watch_traps(untouchable);
	say_modules();
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		ask(&s, pages[i], &a);
		cr_assert_eq(status_of(&a), 200, "%s: %s", pages[i], a.text);
		assert_unopened(watch, pages[i]);
		cr_assert(!memmem(a.text, a.len, "root:", 5), "%s tells /etc/shadow", pages[i]);
	}
	ask(&s, "/debug/pprof/heap?debug=1", &a);
	cr_assert(strstr(body_of(&a), "64 ["), "%s", a.text);
	close(watch);
	site_stop(&s);
}

/* --- a link that changes while it is read ----------------------------------------------------------------------
 */

/* Until we are killed. */
static pid_t start_swapping(const char *link)
{
	static const char *const targets[] = {
		"/proc/self/exe", "fifo", "/etc/shadow", "large", "/dev/zero", "gone"
	};
	char self[512] = "", next[PATH_MAX + 8];
	pid_t pid;

	cr_assert_gt(readlink(targets[0], self, sizeof(self) - 1), 0);
	snprintf(next, sizeof(next), "%s.next", link);
	pid = fork();
	if (pid)
		return pid;
	for (unsigned i = 0;; i++) {
		const char *to = targets[i % ARRAY_SIZE(targets)];

		if (symlink(i % ARRAY_SIZE(targets) ? to : self, next) || rename(next, link))
			_exit(1);
	}
}

static int publish_link(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	publish_program_as(info, &s.r, arg);
	return 1;
}

Test(http_traps, a_link_that_changes_meanwhile_tells_nothing, .timeout = 120)
{
	struct abi_event e;
	unsigned untouchable;
	pid_t swapping;
	int watch;

	site_start(&s, NULL);
	make_traps(&untouchable);
	watch = watch_traps(1);
	n_traps = 0;
	below("link");
	swapping = start_swapping(traps[0]);
	bench_attach_self(&s.b, &s.r);
	dl_iterate_phdr(publish_link, traps[0]);
	e = event(ABI_EVENT_ALLOC, 4096, 1, shim_stack(&s.r, (uintptr_t)recorded_function + 9, 1));
	shim_emit(&s.r, &e);
	for (int i = 0; i < 20; i++) {
		ask(&s, "/debug/pprof/heap?debug=1", &a);
		cr_assert_eq(status_of(&a), 200, "%s", a.text);
		cr_assert(strstr(body_of(&a), "1: 4096 [1: 4096] @"), "%s", a.text);
		cr_assert(!strstr(a.text, "root:"), "%s", a.text);
	}
	cr_assert_eq(waitpid(swapping, NULL, WNOHANG), 0, "it swaps still");
	kill(swapping, SIGKILL);
	waitpid(swapping, NULL, 0);
	assert_unopened(watch, "swapping");
	close(watch);
	site_stop(&s);
}
