/* tests/victims/probe.c - prints what a process can find out about itself: at the start, after work, at the end.
 *
 * usage: probe [work]...   Each word is one more round of allocations, threads and children before the second
 * print. Prints no address, pid or time: two bare runs print the same.  Exit status 3. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char **first_environ;

static void status_lines(void)
{
	static const char *const wanted[] = { "Threads",
					      "SigBlk",
					      "SigIgn",
					      "SigCgt",
					      "SigPnd",
					      "Shd",
					      "NoNew",
					      "Seccomp",
					      "Uid",
					      "Gid",
					      "Cap",
					      "Umask",
					      "Cpus_allowed_list",
					      "CoreDumping" };
	FILE *f = fopen("/proc/self/status", "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				fputs(line, stdout);
	if (f)
		fclose(f);
}

static void descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char link[64], to[512];
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, to, sizeof(to) - 1);
		if (n < 0)
			continue;
		to[n] = '\0';
		printf("fd %d %.*s %x %d\n", fd, (int)strcspn(to, "["), to, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
	}
	int lowest = open("/dev/null", O_RDONLY);

	printf("lowest free %d\n", lowest);
	close(lowest);
}

static void signals(void)
{
	stack_t alt;
	struct sigaction a;
	sigset_t mask;

	sigaltstack(NULL, &alt);
	printf("alternate stack %d %zu\n", alt.ss_flags, alt.ss_size);
	sigpending(&mask);
	for (int s = 1; s < 65; s++)
		if (!sigaction(s, NULL, &a) &&
		    (a.sa_handler != SIG_DFL || a.sa_flags || sigismember(&mask, s) == 1))
			printf("signal %d %s %x\n", s, a.sa_handler == SIG_IGN ? "ignored" : "handled", a.sa_flags);
}

static void others(void)
{
	struct itimerval t;
	struct rlimit l;
	int death = 0;

	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (!getrlimit(i, &l))
			printf("limit %d %lx %lx\n", i, l.rlim_cur, l.rlim_max);
	for (int i = 0; i < 3; i++)
		if (!getitimer(i, &t))
			printf("timer %d %ld\n", i, t.it_value.tv_sec ? 1l : 0l);
	prctl(PR_GET_PDEATHSIG, &death);
	printf("dumpable %d death %d keepcaps %d slack %d priority %d scheduler %d\n", prctl(PR_GET_DUMPABLE),
	       death, prctl(PR_GET_KEEPCAPS), prctl(PR_GET_TIMERSLACK), getpriority(PRIO_PROCESS, 0),
	       sched_getscheduler(0));
	printf("rounding %d traps %d single %d environ %s %d\n", fegetround(), fegetexcept(),
	       __libc_single_threaded, environ == first_environ ? "stays" : "moved", getenv("SEEN") != NULL);
	printf("leader %d group %d\n", getsid(0) == getpid(), getpgrp() == getpid());
}

static void print(const char *when)
{
	int err = errno;

	printf("== %s, errno %d\n", when, err);
	status_lines();
	descriptors();
	signals();
	others();
	fflush(stdout);
	errno = err;
}

/* errno after each call, results, and what malloc says about blocks: 0 or a line. */
static void allocate(void)
{
	enum { N = 3000 };
	static void *p[N];
	size_t usable = 0;

	errno = 77;
	for (int i = 0; i < N; i++)
		p[i] = i % 3 ? malloc((size_t)i) : calloc((size_t)i, 3);
	for (int i = 0; i < N; i++)
		p[i] = realloc(p[i], (size_t)(i * 7 % 5000 + 1));
	for (int i = 0; i < N; i++)
		usable += malloc_usable_size(p[i]);
	for (int i = 0; i < N; i++)
		free(p[i]);
	printf("errno %d usable %zu\n", errno, usable);
	errno = 0;
	p[0] = malloc(PTRDIFF_MAX);
	printf("impossible %d %d\n", p[0] != NULL, errno);
	p[1] = p;
	printf("misaligned %d %d %d\n", posix_memalign(&p[1], 3, 8), p[1] == p, errno);
	p[1] = aligned_alloc(4096, 8192);
	printf("aligned %d\n", p[1] && (uintptr_t)p[1] % 4096 == 0);
	free(p[1]);
	struct mallinfo2 m = mallinfo2();

	printf("in use %zu\n", m.uordblks);
	errno = 0;
}

static void *thread(void *arg)
{
	for (int i = 0; i < 2000; i++)
		free(malloc((size_t)(i % 900)));
	return arg;
}

static void children_and_threads(void)
{
	pthread_t t[4];
	int status;

	if (fork() == 0) {
		allocate();
		print("child");
		_exit(9);
	}
	wait(&status);
	printf("child ended %x\n", status);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, thread, NULL))
			puts("no thread");
		else
			pthread_join(t[i], NULL);
	printf("shell ended %x\n", system("exit 4"));
	if (vfork() == 0)
		_exit(5);
	wait(&status);
	printf("vforked child ended %x\n", status);
}

static void at_exit(void)
{
	print("exit");
}

int main(int argc, char **argv)
{
	static char again[64];

	first_environ = environ;
	setvbuf(stdout, NULL, _IOLBF, 8192);
	print("start");
	allocate();
	for (int i = 1; i < argc; i++)
		children_and_threads();
	for (int i = 0; i < 5; i++)
		snprintf(again, sizeof(again), "%s %d", argv[0], i);
	print("after work");
	printf("new namespace %d\n", syscall(SYS_unshare, 0x10000000) ? errno : 0);
	printf("log %a\n", log((double)argc + 1));
	atexit(at_exit);
	errno = 0;
	return 3;
}
