/* tests/victims/threads_and_children.c - who allocates: threads on small stacks, forked and vforked children.
 *
 * Thread k prints its tid and allocates 20000000 + k.  A forked child frees a block of its parent and allocates
 * 30000000, a vforked one 40000001; the parent frees everything but 40000001.  Nothing else has such sizes. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *thread(void *arg)
{
	unsigned k = (unsigned)(uintptr_t)arg;

	printf("%u %d\n", 20000000 + k, gettid());
	free(malloc(20000000 + k));
	return NULL;
}

int main(void)
{
	void *volatile inherited = malloc(50000000);
	pthread_attr_t a;
	int status;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, PTHREAD_STACK_MIN);
	thread((void *)0);
	for (uintptr_t k = 1; k <= 4; k++) {
		pthread_t t;

		if (pthread_create(&t, k == 1 ? &a : NULL, thread, (void *)k))
			return 1;
		pthread_join(t, NULL);
	}
	if (fork() == 0) {
		free(inherited);
		for (int i = 0; i < 1000; i++)
			free(malloc(30000000));
		_exit(7);
	}
	wait(&status);
	if (WEXITSTATUS(status) != 7)
		return 1;
	free(inherited);
	if (vfork() == 0) {
		inherited = malloc(40000001);
		_exit(0);
	}
	wait(&status);
	return 0;
}
