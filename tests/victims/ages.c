/* tests/victims/ages.c - objects of known sizes, lifetimes and ages, one function each.
 *
 * old: 10 of 100 bytes; 4 are freed after 300 ms or more, 6 stay.  brief: 1000 of 5000 bytes, each freed at once.
 * last: 3 of 0, 1 and 65536 bytes, never freed. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#define OLD 10

__attribute__((noinline)) static void *old(void)
{
	void *p = malloc(100);

	__asm__ volatile("" : "+r"(p));
	return p;
}

__attribute__((noinline)) static void brief(void)
{
	void *p = malloc(5000);

	__asm__ volatile("" : "+r"(p));
	free(p);
}

__attribute__((noinline)) static void *last(size_t n)
{
	void *p = malloc(n);

	__asm__ volatile("" : "+r"(p));
	return p;
}

static void *keep[OLD + 3];

int main(void)
{
	for (int i = 0; i < OLD; i++)
		keep[i] = old();
	for (int i = 0; i < 1000; i++)
		brief();
	usleep(300000);
	for (int i = 0; i < 4; i++)
		free(keep[i]);
	keep[OLD] = last(0);
	keep[OLD + 1] = last(1);
	keep[OLD + 2] = last(65536);
	return 0;
}
