/* tests/bench/bench_startup.c - what the library costs a program that does nothing: time from start to end,
 * resident memory.  usage: bench_startup BUILD [RUNS]
 *
 * Bare, with the library but no collector, with a collector at its default rate: interleaved, so that all see the
 * same machine; medians.  The collector is one of its own, in a directory that goes away. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BARE, ALONE, COLLECTED, KINDS };
#define MAX_RUNS 10000

static char preload[4200], absent[] = "HEAPTAP_SOCKET=/nonexistent", present[128],
			   dir[] = "/tmp/heaptap-startup.XXXXXX";
static char *bare[] = { NULL }, *alone[] = { preload, absent, NULL }, *collected[] = { preload, present, NULL };
static char **const environments[KINDS] = { bare, alone, collected };

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double run_ms(int kind)
{
	char *argv[] = { "true", NULL };
	double began = now_ms();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environments[kind]) ||
	    waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "bench_startup: /bin/true failed\n");
		exit(1);
	}
	return now_ms() - began;
}

/* Largest resident set of a small program, which tells it itself. */
static long resident_kb(int kind)
{
	char *argv[] = { "grep", "-h", "VmHWM", "/proc/self/status", NULL }, text[256] = "";
	posix_spawn_file_actions_t actions;
	int pipes[2];
	pid_t pid;

	if (pipe(pipes))
		exit(1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	if (posix_spawn(&pid, "/bin/grep", &actions, NULL, argv, environments[kind]))
		exit(1);
	close(pipes[1]);
	if (read(pipes[0], text, sizeof(text) - 1) <= 0)
		exit(1);
	close(pipes[0]);
	waitpid(pid, NULL, 0);
	posix_spawn_file_actions_destroy(&actions);
	return strtol(text + strcspn(text, "0123456789"), NULL, 10);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), by_value);
	return values[n / 2];
}

/* Its pid, once its socket is there. */
static pid_t start_collector(const char *build)
{
	char path[4200], socket[100], state[100];
	char *argv[] = { path, "--socket", socket, "--state", state, "--interval", "0", NULL };
	posix_spawn_file_actions_t quiet;
	pid_t pid;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	snprintf(path, sizeof(path), "%s/heaptap-collectord", build);
	snprintf(socket, sizeof(socket), "%s/s", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(present, sizeof(present), "HEAPTAP_SOCKET=%s", socket);
	if (posix_spawn(&pid, path, &quiet, NULL, argv, bare))
		return -1;
	for (int i = 0; i < 500; i++) {
		struct stat st;

		if (stat(socket, &st) == 0)
			return pid;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	return -1;
}

static void measure(int runs)
{
	static const char *const names[KINDS] = { "bare", "library, no collector", "library and collector" };
	static double ms[KINDS][MAX_RUNS], kb[KINDS][21];
	double base_ms = 0, base_kb = 0;

	for (int i = 0; i < runs; i++)
		for (int kind = 0; kind < KINDS; kind++)
			ms[kind][i] = run_ms(kind);
	for (int i = 0; i < 21; i++)
		for (int kind = 0; kind < KINDS; kind++)
			kb[kind][i] = (double)resident_kb(kind);
	printf("%-24s %10s %10s %12s %12s\n", "/bin/true", "ms", "added", "grep: KiB", "added");
	for (int kind = 0; kind < KINDS; kind++) {
		double t = median(ms[kind], runs), r = median(kb[kind], 21);

		base_ms = kind == BARE ? t : base_ms;
		base_kb = kind == BARE ? r : base_kb;
		printf("%-24s %10.3f %10.3f %12.0f %12.0f\n", names[kind], t, t - base_ms, r, r - base_kb);
	}
	printf("goals: + 0.2 ms without a collector, + 0.5 ms with one, + 1024 KiB\n");
}

int main(int argc, char **argv)
{
	int runs = argc > 2 ? atoi(argv[2]) : 400;
	char build[4096], command[128];
	pid_t collector;

	if (argc < 2 || runs < 1 || runs > MAX_RUNS || !realpath(argv[1], build) || !mkdtemp(dir)) {
		fprintf(stderr, "usage: bench_startup BUILD [RUNS]\n");
		return 2;
	}
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/libheaptap.so", build);
	collector = start_collector(build);
	if (collector > 0) {
		measure(runs);
		kill(collector, SIGTERM);
		waitpid(collector, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) || collector <= 0;
}
