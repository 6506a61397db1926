/* tests/victims/many_stacks.c - allocates once from each of N stacks, 37 frames deep, and keeps everything.
 *
 * usage: many_stacks [N [wait]]     N up to 100000000; 100000 is the default.  The stacks differ in which of ten
 * functions each of eight levels goes through.  `wait`: until the end of stdin. */
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept;

static void go(unsigned path, int levels);

#define LEVEL(n)                                                                     \
	__attribute__((noinline)) static void through_##n(unsigned path, int levels) \
	{                                                                            \
		go(path, levels - 1);                                                \
		__asm__ volatile("");                                                \
	}
LEVEL(0)
LEVEL(1)
LEVEL(2)
LEVEL(3)
LEVEL(4)
LEVEL(5)
LEVEL(6)
LEVEL(7)
LEVEL(8)
LEVEL(9)

static void (*const through[])(unsigned, int) = {
	through_0, through_1, through_2, through_3, through_4,
	through_5, through_6, through_7, through_8, through_9,
};

__attribute__((noinline)) static void go(unsigned path, int levels)
{
	if (levels)
		through[path % 10](path / 10, levels);
	else
		kept = malloc(100);
	__asm__ volatile("");
}

__attribute__((noinline)) static void from_below(int depth, unsigned n)
{
	if (depth)
		from_below(depth - 1, n);
	else
		for (unsigned i = 0; i < n; i++)
			go(i, 8);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	from_below(15, argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000);
	while (argc > 2 && read(STDIN_FILENO, &(char){ 0 }, 1) > 0)
		;
	return 0;
}
