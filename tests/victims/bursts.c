/* tests/victims/bursts.c - bursts BURSTS PAUSE_MS: the same allocations in every run, by threads and children, in
 * bursts; some blocks stay.
 *
 * Each thread allocates and frees on 24 stacks; at the end it leaves every 64th block to the process.  Two children
 * do half as much each and leave their blocks, too. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3, STACKS = 24, BURST = 3000 };

static int bursts, pause_ms;

/* One stack for each depth. */
static __attribute__((noinline)) void *deep(unsigned depth, size_t size)
{
	void *volatile p;

	if (depth == 0)
		return malloc(size);
	p = deep(depth - 1, size);
	return p;
}

static void *work(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
	int n = *(int *)&bursts;

	for (int b = 0; b < n; b++) {
		for (int i = 0; i < BURST; i++) {
			random = random * 1664525u + 1013904223u;
			void *p = deep(random >> 8 & 15, 1 + (random >> 16 & 1023));

			if (random >> 26)
				free(p);
		}
		usleep((useconds_t)pause_ms * 1000);
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

int main(int argc, char **argv)
{
	bursts = argc > 1 ? atoi(argv[1]) : 10;
	pause_ms = argc > 2 ? atoi(argv[2]) : 1;
	run_threads();
	for (uintptr_t i = 0; i < 2; i++)
		if (fork() == 0) {
			bursts /= 2;
			work((void *)(i + 10));
			_exit(0);
		}
	run_threads();
	while (wait(NULL) > 0)
		;
	return 0;
}
