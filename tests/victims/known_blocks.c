/* tests/victims/known_blocks.c - allocates blocks of odd, recognisable sizes, one per entry point, and frees some.
 *
 * Prints where its function `allocate` begins, so that a test can tell whether a stack's leaf is in it, then
 * `size freed` for each block.  Sizes are 10000000 + k: nothing else in the process has them. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SIZE(k) (10000000u + (k))

__attribute__((noinline)) static void allocate(void **p)
{
	p[0] = malloc(SIZE(0));
	p[1] = calloc(1, SIZE(1));
	p[2] = realloc(NULL, SIZE(2));
	p[3] = memalign(64, SIZE(3));
	p[4] = aligned_alloc(64, SIZE(4));
	if (posix_memalign(&p[5], 64, SIZE(5)))
		abort();
	p[6] = valloc(SIZE(6));
	p[7] = reallocarray(NULL, SIZE(7), 1);
	p[8] = realloc(malloc(SIZE(8)), SIZE(9)); /* 8 ends here, 9 begins */
	__asm__ volatile("");
}
int main(void)
{
	void *p[9];

	printf("%lx\n", (unsigned long)(uintptr_t)allocate);
	allocate(p);
	for (int i = 0; i < 9; i++)
		if (i % 2 == 0)
			free(p[i]);
	for (int i = 0; i < 8; i++)
		printf("%u %d\n", SIZE(i), i % 2 == 0);
	printf("%u 1\n%u 1\n", SIZE(8), SIZE(9));
	return 0;
}
