/* tests/victims/vfork_storm.c - children that run in their parent's memory, by vfork() and posix_spawn(), from
 * threads.
 *
 * What a vforked child allocates and frees is its parent's heap, and counts there. */
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "counts.h"

extern char **environ;
enum { THREADS = 8, SPAWNS = 10, VFORKS = 40 };

static struct counts counts[THREADS];

static void use_heap(struct counts *c)
{
	for (int i = 0; i < 250; i++)
		drop(c, take(c, 700), 700);
	take(c, 11);
}

static void expect_back(pid_t pid)
{
	int status = 1;

	if (waitpid(pid, &status, 0) != pid || status)
		_exit(1);
}

static __attribute__((noinline)) pid_t vfork_one(struct counts *c)
{
	pid_t pid = vfork();

	if (pid == 0) {
		use_heap(c);
		_exit(0);
	}
	return pid;
}

static void *thread(void *arg)
{
	struct counts *c = arg;
	char *argv[] = { "true", NULL }, *none[] = { NULL };

	for (int i = 0; i < SPAWNS; i++) {
		pid_t pid;

		use_heap(c);
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, i % 2 ? environ : none))
			_exit(1);
		expect_back(pid);
	}
	for (int i = 0; i < VFORKS; i++)
		expect_back(vfork_one(c));
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	struct counts sum = { 0 };

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, thread, &counts[i]))
			return 1;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		sum.allocs += counts[i].allocs;
		sum.frees += counts[i].frees;
		sum.alloc_bytes += counts[i].alloc_bytes;
		sum.live += counts[i].live;
		sum.live_bytes += counts[i].live_bytes;
	}
	say_counts(&sum);
	return 0;
}
