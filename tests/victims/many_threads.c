/* tests/victims/many_threads.c - threads whose first act is to allocate, whose last is to free in key destructors.
 *
 * Without the time stamp counter: a new thread may not read it.  Exit 0 if every destructor round came. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>

static pthread_key_t key[3];
static int rounds;

/* Sets itself again three times, as libraries with caches do. */
static void destroy(void *value)
{
	uintptr_t *p = value;

	__atomic_add_fetch(&rounds, 1, __ATOMIC_RELAXED);
	if (--*p > 0) {
		uintptr_t *q = malloc(sizeof(*q) + *p * 100);

		*q = *p;
		pthread_setspecific(key[0], q);
	}
	free(p);
}

static void *thread(void *arg)
{
	uintptr_t *p = malloc(2000);

	*p = 4;
	free(malloc((size_t)(uintptr_t)arg));
	pthread_setspecific(key[0], p);
	return arg;
}

int main(void)
{
	enum { THREADS = 2000, AT_A_TIME = 20 };
	pthread_t t[AT_A_TIME];

#ifdef __x86_64__
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
#endif
	pthread_key_create(&key[0], destroy);
	for (uintptr_t i = 0; i < THREADS / AT_A_TIME; i++) {
		for (int k = 0; k < AT_A_TIME; k++)
			if (pthread_create(&t[k], NULL, thread, (void *)(i + 1)))
				return 1;
		for (int k = 0; k < AT_A_TIME; k++)
			pthread_join(t[k], NULL);
	}
	return rounds == 4 * THREADS ? 0 : 2;
}
