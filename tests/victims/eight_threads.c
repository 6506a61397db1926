/* tests/victims/eight_threads.c - 8 threads that together do a known number of allocations and frees, fast.
 *
 * Each allocates PAIRS blocks of 100 bytes in seven functions and frees all but every 1000th; argv[1] = pairs per
 * thread.  Says "ready", waits for a line, works, says "done" with its totals, waits for the end of stdin. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static long pairs;

#define WORKER(n)                                            \
	static __attribute__((noinline)) void *make##n(void) \
	{                                                    \
		void *p = malloc(100);                       \
                                                             \
		__asm__ volatile("" : "+r"(p));              \
		return p;                                    \
	}
WORKER(0)
WORKER(1)
WORKER(2)
WORKER(3)
WORKER(4)
WORKER(5)
WORKER(6)

static void *(*const makers[])(void) = { make0, make1, make2, make3, make4, make5, make6 };

static void *work(void *arg)
{
	for (long i = 0; i < pairs; i++) {
		void *p = makers[i % 7]();

		if (i % 1000)
			free(p);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t[8];
	char line[16];

	pairs = argc > 1 ? atol(argv[1]) : 100000;
	setvbuf(stdout, NULL, _IONBF, 0);
	puts("ready");
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	puts("done");
	while (fgets(line, sizeof(line), stdin))
		;
	return 0;
}
