/* tests/victims/before_relocation.so.c - allocates while the loader is still relocating, and in a constructor.
 *
 * Preloaded after the library under test it is relocated and started before it: its IFUNC resolver calls a malloc
 * that is itself not relocated yet, and its constructor's threads one that is not decided yet.  Use LD_BIND_NOW=1.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile size_t three = 3; /* the compiler must not know */
static char *kept, *grown;

static int chosen(void)
{
	return 42;
}

static int (*resolve(void))(void)
{
	void *gone = malloc(10), *aligned = memalign(64, 100);

	kept = malloc(6);
	kept[0] = 'h';
	kept[1] = 'i';
	kept[2] = 0;
	grown = realloc(calloc(3, 5), 1000);
	free(gone);
	free(NULL);
	free(realloc(gone = NULL, 20));
	if ((uintptr_t)aligned % 64 || calloc(SIZE_MAX / 2, three))
		grown = NULL;
	return chosen;
}

static int function(void) __attribute__((ifunc("resolve")));

static void *churn(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		void *p = malloc(100), *q = NULL;

		p = realloc(p, 200);
		if (posix_memalign(&q, 64, 10))
			abort();
		free(q);
		free(calloc(10, 10));
		free(p);
	}
	return arg;
}

static void say(const char *s)
{
	if (write(1, s, strlen(s)) < 0)
		abort();
}

static __attribute__((constructor)) void start(void)
{
	pthread_t t[8];

	for (int i = 0; i < 8; i++)
		if (pthread_create(&t[i], NULL, churn, NULL))
			abort();
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	kept = realloc(kept, 5000);
	say(function() == 42 && grown && !strcmp(kept, "hi") ? "relocation survived\n" : "relocation broken\n");
	free(kept);
	free(grown);
}
