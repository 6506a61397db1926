/* tests/bench/malloc_pair.c - nanoseconds for one malloc and its free, the case that shows a hook's cost most.
 *
 * Blocks of 48 bytes from the allocator's own cache, least of many short rounds.  Run bare for the floor, under
 * heaptap for what is added; the difference is the hooks and, by default, one sample in about ten thousand pairs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 200, PAIRS = 500000 };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(void)
{
	double least = 1e9;

	for (int r = 0; r < ROUNDS; r++) {
		double begin = now_ns(), each;

		for (int i = 0; i < PAIRS; i++) {
			void *p = malloc(48);

			__asm__ volatile("" : : "r"(p) : "memory");
			free(p);
		}
		each = (now_ns() - begin) / PAIRS;
		least = each < least ? each : least;
	}
	printf("%.2f ns for malloc(48) and free\n", least);
	return 0;
}
