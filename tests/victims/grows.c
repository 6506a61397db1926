/* tests/victims/grows.c - a program whose stacks grow in known ways, a step for each line on standard input.
 *
 * leaks() holds twice as much after each step, fills_cache() grows in step 2 only, spikes() holds much between
 * steps 3 and 5, is_steady() since the start.  Prints "step N" when a step is done. */
#include <stdio.h>
#include <stdlib.h>

#define SMALL 1000

static void *kept[1 << 16];
static size_t n_kept;

__attribute__((noinline)) static void leaks(void)
{
	kept[n_kept++] = malloc(SMALL);
}

__attribute__((noinline)) static void fills_cache(void)
{
	kept[n_kept++] = malloc(50 * SMALL);
}

__attribute__((noinline)) static void *spikes(void)
{
	return malloc(3000 * SMALL);
}

__attribute__((noinline)) static void is_steady(void)
{
	kept[n_kept++] = malloc(70 * SMALL);
}

int main(void)
{
	void *spike = NULL;

	is_steady();
	setvbuf(stdout, NULL, _IONBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (int step = 1; getchar() != EOF; step++) {
		for (int i = 0; i < 1 << step; i++)
			leaks();
		if (step == 2)
			fills_cache();
		if (step == 3)
			spike = spikes();
		if (step == 5) {
			free(spike);
			spike = NULL;
		}
		printf("step %d\n", step);
	}
	return spike != NULL;
}
