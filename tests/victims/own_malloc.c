/* tests/victims/own_malloc.c - a program that brings its own malloc: nobody in front of libc is asked. */
#include <stddef.h>
#include <stdio.h>

static char heap[1 << 20] __attribute__((aligned(16)));
static size_t used;

void *malloc(size_t n)
{
	void *p = heap + used;

	used += (n + 15) & ~(size_t)15;
	return used <= sizeof(heap) ? p : NULL;
}

void free(void *p)
{
	(void)p;
}

void *calloc(size_t n, size_t size)
{
	return malloc(n * size); /* never reused, so still zero */
}

void *realloc(void *p, size_t n)
{
	char *q = malloc(n);

	for (size_t i = 0; p && q && i < n && (char *)p + i < q; i++)
		q[i] = ((char *)p)[i];
	return q;
}

int main(void)
{
	char *p = malloc(10);

	puts(p >= heap && p < heap + sizeof(heap) ? "my own" : "somebody else's");
	return 0;
}
