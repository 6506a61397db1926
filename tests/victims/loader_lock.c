/* tests/victims/loader_lock.c - one thread stays inside a dl_iterate_phdr() callback, so holding the loader's lock,
 * until another has allocated, and a child forked meanwhile has, too.  Who needs that lock to allocate hangs. */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int inside, go_on;

static int callback(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info, (void)size, (void)arg;
	inside = 1;
	while (!go_on)
		usleep(1000);
	return 1;
}

static void *holder(void *arg)
{
	dl_iterate_phdr(callback, NULL);
	return arg;
}

static void allocate(int n)
{
	void *volatile p;

	for (int i = 0; i < n; i++) {
		p = calloc(1, (size_t)i);
		p = realloc(p, (size_t)i * 2 + 1);
		free(p);
	}
}

int main(void)
{
	pthread_t t;
	int status;

	if (pthread_create(&t, NULL, holder, NULL))
		return 1;
	while (!inside)
		usleep(1000);
	allocate(5000);
	if (fork() == 0) {
		allocate(5000);
		_exit(7);
	}
	wait(&status);
	go_on = 1;
	pthread_join(t, NULL);
	return WEXITSTATUS(status) == 7 ? 0 : 2;
}
