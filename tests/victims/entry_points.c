/* tests/victims/entry_points.c - every allocation entry point, its corners, and what a program can see of them.
 * `nopvalloc` leaves pvalloc() out.
 *
 * Prints results, errno, alignment and contents; never addresses.  The output must be the same whatever is
 * preloaded. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile size_t huge = PTRDIFF_MAX, three = 3, max = SIZE_MAX; /* the compiler must not know */

/* Before: errno = EBADF.  After: was there a block, what is errno, how is it aligned, is it usable to its end? */
static void *show(const char *call, void *p, size_t size, size_t align)
{
	int e = errno;

	printf("%-32s %s errno %d aligned %d usable %d\n", call, p ? "block" : "NULL", e, (uintptr_t)p % align == 0,
	       p && malloc_usable_size(p) >= size);
	if (p)
		memset(p, 0x5a, size);
	errno = EBADF;
	return p;
}

static int all(const unsigned char *p, int byte, size_t n)
{
	while (n--)
		if (p[n] != byte)
			return 0;
	return 1;
}

#define SHOW(call, size) show(#call, call, size, strstr(#call, "valloc") ? 4096 : strstr(#call, "align") ? 64 : 16)

static void plain(void)
{
	unsigned char *p;

	free(SHOW(malloc(1), 1));
	free(SHOW(malloc(0), 0));
	free(SHOW(malloc(3000), 3000));
	free(SHOW(malloc(1 << 22), 1 << 22));
	free(SHOW(malloc(huge), 0));
	free(SHOW(malloc(max), 0));
	free(NULL);
	printf("free leaves errno %d\n", errno);
	for (size_t n = 1; n < 100000; n *= 3) {
		memset(p = malloc(n), 0xff, n);
		free(p);
		p = calloc(n, 1);
		printf("calloc(%zu) zeroed %d\n", n, all(p, 0, n));
		free(p);
	}
	errno = EBADF;
	free(SHOW(calloc(0, 10), 0));
	free(SHOW(calloc(7, 9), 63));
	free(SHOW(calloc(three, huge), 0));
	free(SHOW(calloc(huge, three), 0));
}

static void moved(void)
{
	unsigned char *p = SHOW(realloc(NULL, 10), 10), *q;

	for (size_t n = 20; n < 3000000; n *= 2) {
		p = realloc(p, n);
		printf("realloc(p, %zu) kept %d\n", n, all(p, 0x5a, n / 2));
		memset(p, 0x5a, n);
	}
	p = realloc(p, 5);
	printf("shrunk kept %d\n", all(p, 0x5a, 5));
	errno = EBADF;
	q = realloc(p, huge);
	printf("failed realloc: %s errno %d, kept %d\n", q ? "block" : "NULL", errno, all(p, 0x5a, 5));
	errno = EBADF;
	unsigned char *volatile still = p; /* gcc thinks a failed call ends it */

	q = reallocarray(p, huge, three);
	p = still;
	printf("overflowing reallocarray: %s errno %d, kept %d\n", q ? "block" : "NULL", errno, all(p, 0x5a, 5));
	errno = EBADF;
	p = SHOW(reallocarray(p, 30, 100), 3000);
	q = realloc(p, 0);
	printf("realloc(p, 0): %s errno %d\n", q ? "block" : "NULL", errno);
	errno = EBADF;
	free(SHOW(realloc(NULL, 0), 0));
	free(SHOW(reallocarray(NULL, 6, 7), 42));
}

static void posix(size_t align, size_t size)
{
	void *unset = &unset, *p = unset;
	int r = posix_memalign(&p, align, size);

	printf("posix_memalign(%zu, %zu): %d errno %d %s aligned %d\n", align, size, r, errno,
	       p == unset ? "untouched" : "set", r == 0 && align && (uintptr_t)p % align == 0);
	if (r == 0)
		free(p);
	errno = EBADF;
}

static void aligned(void)
{
	for (size_t align = 1; align <= 1 << 20; align *= 4) {
		void *p = memalign(align, 100), *q = aligned_alloc(align, align * 2);

		printf("memalign(%zu) %d aligned_alloc %d errno %d\n", align, (uintptr_t)p % align == 0,
		       (uintptr_t)q % align == 0, errno);
		free(p);
		free(q);
	}
	free(SHOW(memalign(64, huge), 0));
	free(SHOW(memalign(max / 2 + 2, 1), 0));
	free(SHOW(aligned_alloc(64, 0), 0));
	free(SHOW(aligned_alloc(64, huge), 0));
	free(SHOW(valloc(100), 100));
	free(SHOW(valloc(huge), 0));
	posix(0, 1);
	posix(3, 1);
	posix(4, 1);
	posix(24, 1);
	posix(8, 0);
	posix(64, 1000);
	posix(1 << 16, 1);
	posix(64, huge);
	posix(max / 2 + 1, huge);
}

/* Not every allocator has it: then libc's answers, whose blocks that allocator cannot take. */
static void page_aligned(void)
{
	free(SHOW(pvalloc(1), 4096));
	free(SHOW(pvalloc(5000), 8192));
	free(SHOW(pvalloc(max - 10), 0));
}

/* libc's own users of the family. */
static void inside_libc(void)
{
	char *line = NULL, *s = strdup("abc"), *t = strndup("abcdef", 4), *cwd = getcwd(NULL, 0), *out = NULL;
	size_t n = 0;
	FILE *m = open_memstream(&out, &n);

	fprintf(m, "%s %s %d", s, t, cwd != NULL);
	fclose(m);
	puts(out);
	free(out);
	if (asprintf(&out, "%0500d", 7) == 500)
		puts(out);
	m = fmemopen((void *)"one\ntwo\n", 8, "r");
	n = 0;
	while (getline(&line, &n, m) > 0)
		fputs(line, stdout);
	fclose(m);
	free(line);
	free(out);
	free(cwd);
	free(t);
	free(s);
}

int main(int argc, char **argv)
{
	printf("the next descriptor is %d\n", dup(1));
	errno = EBADF;
	plain();
	moved();
	aligned();
	if (argc == 1 || strcmp(argv[1], "nopvalloc"))
		page_aligned();
	inside_libc();
	return 0;
}
