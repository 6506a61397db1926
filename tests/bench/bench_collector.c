/* tests/bench/bench_collector.c - a collector under many programs: what a handshake takes, what a session costs.
 *
 * usage: bench_collector BUILD [SESSIONS [RATE [SECONDS]]].  Attaches SESSIONS programs that stay (forked processes
 * that say hello as the library does), looks at the collector's memory and at its processor time while nothing
 * happens, then lets RATE processes a second be forked, attach and end; at last another user's handshakes beside
 * one user's floods (as root). */
#include <errno.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collectord/live/control_proto.h"
#include "common/abi.h"
#include "common/handshake.h"

#define MOST 200000u
#define SPAWNERS 2
#define PROBES 200 /* handshakes beside a flood */
#define IDLE_S 5
#define LONG_S 4 /* until idle sessions are idle for long */

static char dir[] = "/tmp/bench_collector.XXXXXX";
static char sock_path[64];

struct shared {
	uint32_t n, lost;
	double ms[MOST];
};
static struct shared *shared;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static pid_t start_collector(const char *build)
{
	char path[4200], state[64];
	struct stat st;
	pid_t pid = fork();

	snprintf(path, sizeof(path), "%s/heaptap-collectord", build);
	snprintf(state, sizeof(state), "%s/state", dir);
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		execl(path, path, "--socket", sock_path, "--state", state, "--interval", "0", "--max-sessions",
		      "20000", "--max-sessions-per-user", "20000", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && stat(sock_path, &st); i++)
		usleep(10000);
	return stat(sock_path, &st) ? -1 : pid;
}

/* The descriptor that came with the welcome, or -1. */
static int shake_hands(void)
{
	struct hello h = { .magic = HELLO_MAGIC,
			   .abi_major = ABI_MAJOR,
			   .abi_minor = ABI_MINOR,
			   .size = sizeof(h),
			   .exe = "/bench",
			   .cmdline = "bench" };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))];
	struct welcome w;
	struct iovec iov = { &w, sizeof(w) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)
	};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd = -1;

	strcpy(a.sun_path, sock_path);
	if (connect(sock, (struct sockaddr *)&a, sizeof(a)) == 0 && send(sock, &h, sizeof(h), MSG_NOSIGNAL) > 0 &&
	    recvmsg(sock, &m, 0) == sizeof(w) && w.verdict == WELCOME_OK && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	close(sock);
	return fd;
}

/* In a process of its own: attach, note how long that took, hold the region. */
static void attach(void)
{
	double began = now_s();
	int fd = shake_hands();
	uint32_t i = __sync_fetch_and_add(&shared->n, 1);

	if (fd < 0)
		__sync_fetch_and_add(&shared->lost, 1);
	else
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (i < MOST)
		shared->ms[i] = (now_s() - began) * 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void tell_handshakes(const char *what)
{
	uint32_t n = shared->n < MOST ? shared->n : MOST;

	if (!n)
		return;
	qsort(shared->ms, n, sizeof(double), by_size);
	printf("%-34s %8u, %u lost; handshake ms: median %.2f, p99 %.2f, longest %.2f\n", what, shared->n,
	       shared->lost, shared->ms[n / 2], shared->ms[n * 99 / 100], shared->ms[n - 1]);
	memset(shared, 0, sizeof(*shared));
}

static long field_kb(pid_t pid, const char *name)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kb = atol(line + strlen(name));
	if (f)
		fclose(f);
	return kb;
}

/* In the kernel's nanoseconds: a tick would be too coarse for what is idle. */
static double cpu_s(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return (double)ns * 1e-9;
}

static void idle(pid_t collector, const char *when)
{
	long woken = field_kb(collector, "voluntary_ctxt_switches:");
	double cpu = cpu_s(collector), began = now_s(), passed;

	sleep(IDLE_S);
	passed = now_s() - began;
	printf("nothing happens, %s: %.3f %% of a processor, woken %.1f times a second\n", when,
	       (cpu_s(collector) - cpu) / passed * 100,
	       (double)(field_kb(collector, "voluntary_ctxt_switches:") - woken) / passed);
}

static void live_sessions(pid_t collector, int n, pid_t *pids)
{
	long before = field_kb(collector, "VmRSS:");
	double cpu = cpu_s(collector);

	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			attach();
			pause();
		}
	}
	while (shared->n < (uint32_t)n)
		usleep(10000);
	printf("%d live sessions: %.0f us processor time and %.1f KiB of the collector each\n", n,
	       (cpu_s(collector) - cpu) * 1e6 / n, (double)(field_kb(collector, "VmRSS:") - before) / n);
	tell_handshakes("they came all at once:");
	sleep(1);
	idle(collector, "at first");
	sleep(LONG_S);
	idle(collector, "for long");
}

static void spawn(double rate, double seconds)
{
	double began = now_s();

	for (uint32_t i = 0; now_s() < began + seconds; i++) {
		double due = began + i / rate;

		while (now_s() < due)
			usleep(100);
		if (fork() == 0) {
			attach();
			_exit(0);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	_exit(0);
}

static void short_sessions(pid_t collector, double rate, double seconds)
{
	double cpu = cpu_s(collector), began = now_s();
	pid_t spawners[SPAWNERS];
	char what[80];
	uint32_t n;

	for (int i = 0; i < SPAWNERS; i++) {
		spawners[i] = fork();
		if (spawners[i] == 0)
			spawn(rate / SPAWNERS, seconds);
	}
	for (int i = 0; i < SPAWNERS; i++)
		waitpid(spawners[i], NULL, 0);
	n = shared->n;
	snprintf(what, sizeof(what), "%.0f a second for %.0f s (asked %.0f):", n / (now_s() - began), seconds,
		 rate);
	tell_handshakes(what);
	sleep(1);
	printf("processor time of the collector: %.0f us each; resident at the most %ld KiB\n",
	       (cpu_s(collector) - cpu) * 1e6 / (n ? n : 1), field_kb(collector, "VmHWM:"));
}

/* --- one user's flood, and another user's handshakes ------------------------------------------------------- */

static void say(const void *buf, size_t len, bool wait_for_it)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char answer[4096];

	strcpy(a.sun_path, sock_path);
	if (connect(sock, (struct sockaddr *)&a, sizeof(a)) == 0 && send(sock, buf, len, MSG_NOSIGNAL) > 0)
		while (wait_for_it && recv(sock, answer, sizeof(answer), 0) > 0)
			;
	close(sock);
}

static void pause_a_little(void)
{
	usleep(10000);
}

static void flood_connects(void)
{
	say("x", 1, false);
}

static void flood_forks(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(shake_hands());
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void flood_questions(void)
{
	const struct control_request q = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .size = sizeof(q), .verb = CONTROL_LIST
	};

	say(&q, sizeof(q), true);
}

static pid_t as_user(uid_t uid)
{
	pid_t pid = fork();

	if (pid == 0 && (setgid(uid) || setuid(uid)))
		_exit(1);
	return pid;
}

static void beside(const char *what, void (*flood)(void))
{
	pid_t floods[SPAWNERS], prober;

	for (int i = 0; i < SPAWNERS; i++) {
		floods[i] = as_user(50001);
		while (floods[i] == 0)
			flood();
	}
	prober = as_user(50002);
	if (prober == 0) {
		for (int i = 0; i < PROBES; i++) {
			pid_t pid = fork();

			if (pid == 0) {
				attach();
				_exit(0);
			}
			waitpid(pid, NULL, 0);
			usleep(5000);
		}
		_exit(0);
	}
	waitpid(prober, NULL, 0);
	for (int i = 0; i < SPAWNERS; i++) {
		kill(floods[i], SIGKILL);
		waitpid(floods[i], NULL, 0);
	}
	tell_handshakes(what);
}

int main(int argc, char **argv)
{
	int sessions = argc > 2 ? atoi(argv[2]) : 1000;
	double rate = argc > 3 ? atof(argv[3]) : 2000, seconds = argc > 4 ? atof(argv[4]) : 5;
	pid_t collector, *pids = calloc((size_t)sessions + 1, sizeof(*pids));
	char build[4096], command[128];

	if (argc < 2 || !realpath(argv[1], build) || !mkdtemp(dir) || !pids) {
		fprintf(stderr, "usage: bench_collector BUILD [SESSIONS [RATE [SECONDS]]]\n");
		return 2;
	}
	snprintf(sock_path, sizeof(sock_path), "%s/s", dir);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	collector = start_collector(build);
	if (collector > 0) {
		live_sessions(collector, sessions, pids);
		short_sessions(collector, rate, seconds);
		if (getuid() == 0 && chmod(dir, 0711) == 0) {
			beside("beside nobody:", pause_a_little);
			beside("beside another user's connects:", flood_connects);
			beside("beside another user's forks:", flood_forks);
			beside("beside another user's questions:", flood_questions);
		}
		for (int i = 0; i < sessions; i++)
			kill(pids[i], SIGKILL);
		kill(collector, SIGTERM);
		waitpid(collector, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) || collector <= 0;
}
