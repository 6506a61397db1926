/* tests/victims/half_allocator.so.c - a library that takes over malloc and free and forgets the rest. */
#include <stddef.h>

void *__libc_malloc(size_t n);
void __libc_free(void *p);

void *malloc(size_t n)
{
	return __libc_malloc(n);
}

void free(void *p)
{
	__libc_free(p);
}
