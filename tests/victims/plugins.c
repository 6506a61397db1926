/* tests/victims/plugins.c - plugins A.so B.so ROUNDS PAUSE_MS: two objects that are loaded and unloaded in turns,
 * and allocate in between; every fourth block stays.  The same in every run. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCKS = 500 };

static __attribute__((noinline)) void allocate(void)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		void *volatile p = malloc(1 + i * 37 % 500);

		if (i % 4)
			free(p);
	}
}

static void visit(const char *path, const char *name)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int (*volatile enter)(void (*)(void)) = object ? (int (*)(void (*)(void)))dlsym(object, name) : NULL;

	if (!enter) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	enter(allocate);
	dlclose(object);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	for (int i = 0; i < atoi(argv[3]); i++) {
		visit(argv[1], "reuse_a");
		visit(argv[2], "reuse_b");
		usleep((useconds_t)atoi(argv[4]) * 1000);
	}
	return 0;
}
