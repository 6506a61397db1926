/* tests/victims/storms.c - storms ROUNDS PAUSE_MS: threads, forks and execs that are short and many, the same in
 * every run.
 *
 * A round is eight threads at once, a child that ends at once with its blocks, and every third time another
 * program: storms with no argument, which allocates a little and ends.  Every fourth block stays. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, BLOCKS = 200 };

static __attribute__((noinline)) void *deep(unsigned depth, size_t size)
{
	void *volatile p = depth ? deep(depth - 1, size) : malloc(size);

	return p;
}

static void *work(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < BLOCKS; i++) {
		void *p = deep(i % 9, 1 + i * 37 % 500);

		if (i % 4)
			free(p);
	}
	return NULL;
}

static void in_threads(void)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

static void in_a_child(char *program)
{
	char *const alone[] = { program, NULL };
	pid_t pid = fork();

	if (pid == 0 && !program) {
		work(NULL);
		_exit(0);
	}
	if (pid == 0) {
		execv("/proc/self/exe", alone);
		_exit(1);
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0, status, bad = 0;

	work(NULL);
	for (int i = 0; i < rounds; i++) {
		in_threads();
		in_a_child(NULL);
		if (i % 3 == 0)
			in_a_child(argv[0]);
		usleep((useconds_t)atoi(argv[2]) * 1000);
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}
