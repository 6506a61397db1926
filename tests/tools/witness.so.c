/* tests/tools/witness.so.c - writes down what a process can see of itself, when it starts and when it ends.
 *
 * Preloaded in both runs of a comparison (tests/hazards/twice.bash): one record per event, one line each, appended
 * to $WITNESS with a single write.  Raw system calls and no allocation: what it does is the same with and without
 * heaptap.  Records name no pid, address or inode: those differ from run to run. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern char **environ;

struct record {
	size_t len;
	char text[32768];
};

static char path[512]; /* $WITNESS, kept: programs wipe their environment */

static void __attribute__((format(printf, 2, 3))) add(struct record *r, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(r->text + r->len, sizeof(r->text) - r->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		r->len += (size_t)n < sizeof(r->text) - r->len ? (size_t)n : sizeof(r->text) - r->len - 1;
}

/* The file's beginning, without its zero bytes. */
static size_t slurp(const char *name, char *to, size_t size)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	long n = fd < 0 ? 0 : syscall(SYS_read, fd, to, size - 1);

	if (fd >= 0)
		syscall(SYS_close, fd);
	n = n < 0 ? 0 : n;
	for (long i = 0; i < n; i++)
		if (!to[i])
			to[i] = ' ';
	to[n] = '\0';
	return (size_t)n;
}

/* "/proc/self/status" lines: signals, threads, privileges. */
static void add_status(struct record *r)
{
	static const char *const wanted[] = { "Threads:", "SigBlk:",     "SigIgn:",  "SigCgt:", "SigPnd:",
					      "ShdPnd:",  "NoNewPrivs:", "Seccomp:", "Uid:",    "Gid:",
					      "CapEff:",  "CapPrm:",     "Umask:",   "Groups:", "TracerPid:" };
	static char text[8192];
	char *line = text, *end;

	slurp("/proc/self/status", text, sizeof(text));
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i]))) {
				for (char *c = line; *c; c++)
					if (*c == '\t')
						*c = ' ';
				add(r, " %s", line);
			}
	}
}

/* Numbers in brackets are inodes. */
static void add_target(struct record *r, const char *fd)
{
	char link[64], to[512];
	long n, flags;

	snprintf(link, sizeof(link), "/proc/self/fd/%s", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, link, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = '\0';
	if (strchr(to, ':') && strchr(to, '['))
		*strchr(to, '[') = '\0';
	flags = syscall(SYS_fcntl, atoi(fd), F_GETFL);
	add(r, " %s=%s,%lx,%ld", fd, to, flags, syscall(SYS_fcntl, atoi(fd), F_GETFD));
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Sorted on our own stack: qsort() of few small items does not allocate. */
static void add_descriptors(struct record *r)
{
	struct entry {
		unsigned long ino, off;
		unsigned short len;
		unsigned char type;
		char name[];
	};
	char buf[4096] __attribute__((aligned(8)));
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fds[256], count = 0;
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct entry *e = (struct entry *)(buf + at);

			if (e->name[0] != '.' && atoi(e->name) != fd && count < 256)
				fds[count++] = atoi(e->name);
			at += e->len;
		}
	if (fd >= 0)
		syscall(SYS_close, fd);
	qsort(fds, (size_t)count, sizeof(*fds), by_number);
	add(r, " fds:");
	for (int i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", fds[i]);
		add_target(r, name);
	}
}

static void add_limits(struct record *r)
{
	add(r, " rlimits:");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l = { 0, 0 };

		syscall(SYS_prlimit64, 0, i, NULL, &l);
		add(r, " %lx/%lx", (unsigned long)l.rlim_cur, (unsigned long)l.rlim_max);
	}
}

static void add_signals(struct record *r)
{
	stack_t alt = { 0 };

	syscall(SYS_sigaltstack, NULL, &alt);
	add(r, " altstack: %d %zu handlers:", alt.ss_flags, alt.ss_size);
	for (int s = 1; s < 65; s++) {
		struct {
			void (*handler)(int);
			unsigned long flags;
			void (*restorer)(void);
			unsigned long mask;
		} a = { 0 };

		if (syscall(SYS_rt_sigaction, s, NULL, &a, 8) || (!a.handler && !a.flags))
			continue;
		add(r, " %d=%s,%lx,%lx", s,
		    a.handler == SIG_DFL   ? "dfl"
		    : a.handler == SIG_IGN ? "ign"
					   : "own",
		    a.flags, a.mask);
	}
}

/* All but ours, and what the shell or the comparison itself sets. */
static void add_environment(struct record *r)
{
	static const char *const ours[] = { "LD_PRELOAD=", "HEAPTAP_", "WITNESS=", "_=" };

	add(r, " environ:");
	for (char **e = environ; e && *e; e++) {
		int skip = 0;

		for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
			skip |= !strncmp(*e, ours[i], strlen(ours[i]));
		if (!skip)
			add(r, " '%.100s'", *e);
	}
}

static void add_rest(struct record *r)
{
	int death = 0, subreaper = 0;
	unsigned short x87;
	unsigned mxcsr = 0;

	prctl(PR_GET_PDEATHSIG, &death);
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
#ifdef __x86_64__
	__asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(x87), "=m"(mxcsr));
	mxcsr &= ~0x3fu; /* what was computed is not our matter */
#else
	x87 = (unsigned short)fegetround();
#endif
	add(r, " rest: %d %d %d %d %ld %x %x", prctl(PR_GET_DUMPABLE), death, subreaper, prctl(PR_GET_TIMERSLACK),
	    syscall(SYS_getpriority, PRIO_PROCESS, 0), x87, mxcsr);
}

static void keep(struct record *r)
{
	int fd;

	for (size_t i = 0; i < r->len; i++)
		if (r->text[i] == '\n')
			r->text[i] = ' ';
	add(r, "\n");
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	syscall(SYS_write, fd, r->text, r->len);
	syscall(SYS_close, fd);
}

static void witness(const char *when, int status)
{
	static struct record r; /* not on the stack, which may be small; one thread starts and one ends a process */
	static char command[1024];
	int err = errno;

	r.len = 0;
	slurp("/proc/self/cmdline", command, sizeof(command));
	add(&r, "%s [%s] errno: %d status: %d", when, command, err, status);
	add_status(&r);
	add_descriptors(&r);
	add_limits(&r);
	add_signals(&r);
	add_environment(&r);
	add_rest(&r);
	keep(&r);
	errno = err;
}

__attribute__((constructor)) static void at_start(void)
{
	const char *p = NULL;

	for (char **e = environ; e && *e; e++)
		if (!strncmp(*e, "WITNESS=", 8))
			p = *e + 8;
	if (!p || strlen(p) >= sizeof(path))
		return;
	strcpy(path, p);
	witness("start", 0);
}

__attribute__((destructor)) static void at_exit(void)
{
	if (*path)
		witness("exit", -1);
}

/* Forked children end here, unseen by destructors. */
EXPORT void __attribute__((noreturn)) _exit(int status)
{
	if (*path)
		witness("_exit", status);
	for (;;)
		syscall(SYS_exit_group, status);
}

EXPORT void __attribute__((noreturn)) _Exit(int status)
{
	_exit(status);
}
