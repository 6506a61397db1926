/* tests/victims/all_freed.c - frees all that it allocates, from wherever a program may free.
 *
 * By the thread that allocated, by another one, by realloc in all its corners (grown in place or moved, by mremap,
 * shrunk, to nothing, failed), in a signal handler, in a destructor of thread-specific data (after the thread's
 * own thread-locals are of no more use), in atexit, and in a destructor of the program.  Exit 0. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3000, HANDED = 64, KEPT = 200 };

static pthread_key_t key;
static void *handed[HANDED]; /* exchanged atomically */
static void *kept[KEPT], *for_handler, *for_destructor;
static volatile size_t huge = PTRDIFF_MAX; /* the compiler must not know */

static void *grow(void *p, size_t to)
{
	p = realloc(p, to);
	memset(p, 1, to < 4096 ? to : 4096);
	return p;
}

static void corners(unsigned i)
{
	void *p = grow(NULL, 10 + i % 200);

	p = grow(p, 11 + i % 200);    /* in place, mostly */
	p = grow(p, 5000);            /* moved */
	p = grow(p, 300000 + i * 16); /* mapped */
	p = grow(p, 900000);          /* mremap */
	if (realloc(p, huge))
		abort();
	p = grow(p, 20);
	if (i % 2)
		free(p);
	else
		p = realloc(p, 0);
	p = reallocarray(NULL, 3, i % 100);
	free(p);
}

static void every_kind(unsigned i)
{
	void *p[8] = { malloc(i % 300), calloc(3, i % 70), memalign(64, i), aligned_alloc(32, 32 + i % 64 * 32),
		       valloc(i),       pvalloc(i),        malloc(0),       NULL };

	if (posix_memalign(&p[7], 128, i % 2000))
		abort();
	for (int k = 0; k < 8; k++)
		free(p[k]);
}

static void *work(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	pthread_setspecific(key, malloc(1000 + me));
	for (unsigned i = 0; i < ROUNDS; i++) {
		free(__atomic_exchange_n(&handed[(i * 7 + me) % HANDED], malloc(i % 900), __ATOMIC_ACQ_REL));
		every_kind(i);
		if (i % 20 == 0)
			corners(i);
	}
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
	free(for_handler);
	for_handler = malloc(50);
	free(for_handler);
}

static void at_exit(void)
{
	for (int i = 0; i < KEPT; i++)
		free(kept[i]);
}

static __attribute__((destructor)) void at_the_very_end(void)
{
	free(for_destructor);
}

int main(void)
{
	pthread_t t[4];

	atexit(at_exit);
	pthread_key_create(&key, free);
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < KEPT; i++)
		kept[i] = malloc((size_t)i * 100);
	for_destructor = malloc(12345);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < 100; i++) {
		for_handler = malloc(5000);
		raise(SIGUSR1);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < HANDED; i++)
		free(handed[i]);
	return 0;
}
