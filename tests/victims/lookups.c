/* tests/victims/lookups.c - threads look up symbols, most of them missing, and thread stacks: both allocate inside
 * libc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_t main_thread;

static void *look(void *arg)
{
	char name[64];

	for (int i = 0; i < 500; i++) {
		pthread_attr_t a;

		snprintf(name, sizeof(name), "no_such_symbol_%d", i);
		if (dlsym(RTLD_DEFAULT, name) || dlsym(RTLD_NEXT, name) || !dlerror() ||
		    !dlsym(RTLD_DEFAULT, "malloc"))
			abort();
		if (i % 10 == 0 &&
		    (pthread_getattr_np(i % 20 ? pthread_self() : main_thread, &a) || pthread_attr_destroy(&a)))
			abort();
	}
	return arg;
}

int main(void)
{
	pthread_t t[8];

	main_thread = pthread_self();
	for (int i = 0; i < 8; i++)
		if (pthread_create(&t[i], NULL, look, NULL))
			return 1;
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	return 0;
}
