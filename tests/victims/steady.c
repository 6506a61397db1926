/* tests/victims/steady.c - allocates as much as it is told, and nothing else: 1024 blocks of 1024 bytes per MB.
 *
 * Each line on stdin is a number of MB; it answers "done" when they were allocated and freed again.  With an
 * argument, that many blocks of 1 MB are kept from the start.  Ends with stdin. */
#include <stdlib.h>
#include <unistd.h>

static void *volatile sink;

__attribute__((noinline)) static void allocate(long mb)
{
	for (long i = 0; i < mb * 1024; i++) {
		sink = malloc(1024);
		free(sink);
	}
}

__attribute__((noinline)) static void keep(long n)
{
	while (n-- > 0)
		sink = malloc(1 << 20);
}

int main(int argc, char **argv)
{
	char c;
	long mb = 0;

	keep(argc > 1 ? atol(argv[1]) : 0);
	while (read(STDIN_FILENO, &c, 1) == 1) {
		if (c >= '0' && c <= '9') {
			mb = mb * 10 + c - '0';
			continue;
		}
		allocate(mb);
		mb = 0;
		if (write(STDOUT_FILENO, "done\n", 5) != 5)
			return 1;
	}
	return 0;
}
