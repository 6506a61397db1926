/* tests/victims/tiny_blocks.c - 20000 blocks each of 0, 1, 2 and 3 bytes, interleaved and freed at once. */
#include <stdlib.h>

int main(void)
{
	for (int i = 0; i < 20000; i++)
		for (size_t size = 0; size < 4; size++)
			free(size % 2 ? malloc(size) : calloc(1, size));
	return 0;
}
