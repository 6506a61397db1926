/* tests/victims/work_pairs.c - a load for make bench: malloc and free at once, 16 to 4096 bytes, in N threads.
 *
 * usage: work_pairs THREADS PAIRS     Sizes come from a fixed generator: every run does the same. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static long pairs;

static void *loop(void *arg)
{
	uint32_t state = 2463534242u + (uint32_t)(uintptr_t)arg;

	for (long i = 0; i < pairs; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		void *p = malloc(16 + (state >> 8) % 4081);
		__asm__ volatile("" : : "r"(p) : "memory");
		free(p);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long threads = argc > 2 ? atol(argv[1]) : 0;
	pthread_t t[64];

	if (threads < 1 || threads > 64) {
		fprintf(stderr, "usage: work_pairs THREADS PAIRS (1 to 64 threads)\n");
		return 2;
	}
	pairs = atol(argv[2]);
	for (long i = 1; i < threads; i++)
		if (pthread_create(&t[i], NULL, loop, (void *)i))
			return 1;
	loop(NULL);
	for (long i = 1; i < threads; i++)
		pthread_join(t[i], NULL);
	return 0;
}
