/* tests/victims/reuse.c - two objects that follow each other at one address, and the first one again.
 *
 * reuse A.so B.so: 3 MiB are allocated below reuse_a(), 5 MiB below reuse_b(), 1 MiB below reuse_a(), all kept.
 * Exit status 77 if the loader put them elsewhere. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static size_t want;
static void *kept[3];

__attribute__((noinline)) static void allocate(void)
{
	static int n;

	kept[n++] = malloc(want);
}

/* Load, allocate, unload; where the function was. */
static void *visit(const char *path, const char *name, size_t size)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int (*volatile enter)(void (*)(void)) = object ? (int (*)(void (*)(void)))dlsym(object, name) : NULL;

	if (!enter) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	want = size;
	enter(allocate);
	dlclose(object);
	return (void *)enter;
}

int main(int argc, char **argv)
{
	void *a, *b, *again;

	if (argc != 3)
		return 2;
	a = visit(argv[1], "reuse_a", 3 << 20);
	b = visit(argv[2], "reuse_b", 5 << 20);
	again = visit(argv[1], "reuse_a", 1 << 20);
	return a == b && a == again && kept[2] ? 0 : 77;
}
