/* tests/victims/descriptors.c - uses descriptors the way daemons do: counts them, closes all, takes every number.
 *
 * Exit 0 only if every number was free and nobody wrote to, read from or closed what is ours. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void *volatile sink;

static void deep(int n)
{
	char pad[64];

	memset(pad, n, sizeof(pad));
	sink = malloc((size_t)n + pad[3] % 2);
	free(sink);
	if (n > 0)
		deep(n - 1);
}

int main(void)
{
	int pair[2], flags, first = open("/dev/null", O_RDONLY);
	char byte[4];

	if (first != 3)
		return 1;
	deep(100);
	if (close_range(3, ~0u, 0) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) || pair[0] != 3)
		return 2;
	flags = fcntl(3, F_GETFL) + fcntl(4, F_GETFL);
	deep(3000);
	if (read(3, byte, 1) != -1 || read(4, byte, 1) != -1 || fcntl(3, F_GETFL) + fcntl(4, F_GETFL) != flags)
		return 3;
	int file = memfd_create("mine", 0);

	for (int fd = 3; fd < 1000; fd++)
		if (fd != file && dup2(file, fd) != fd)
			return 4;
	for (int i = 0; i < 200000; i++)
		free(malloc((size_t)i % 3000));
	deep(3000);
	return lseek(file, 0, SEEK_END) == 0 ? 0 : 5;
}
