/* tests/victims/raw_clone.c - children by a bare clone(), from the main and another thread; one of them forks.
 *
 * Nobody tells libraries about such children.  They allocate, free what they inherited, and must come back. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "counts.h"

static struct counts c;
static void *kept[1000];

static void use_heap(void)
{
	for (int i = 0; i < 1000; i += 2)
		free(kept[i]);
	for (int i = 0; i < 1000; i += 2)
		kept[i] = malloc(300);
}

static void expect_back(long pid)
{
	int status = 1;

	if (waitpid((pid_t)pid, &status, 0) != pid || status)
		_exit(1);
}

static void *clone_twice(void *arg)
{
	for (int i = 0; i < 20; i++) {
		long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

		if (pid == 0) {
			use_heap();
			if (i % 2) {
				pid_t child = fork();

				if (child == 0) {
					use_heap();
					_exit(0);
				}
				expect_back(child);
			}
			_exit(0);
		}
		expect_back(pid);
	}
	return arg;
}

int main(void)
{
	pthread_t t;

	for (int i = 0; i < 1000; i++)
		kept[i] = take(&c, 200);
	clone_twice(NULL);
	if (pthread_create(&t, NULL, clone_twice, NULL))
		return 1;
	pthread_join(t, NULL);
	for (int i = 0; i < 1000; i += 4)
		drop(&c, kept[i], 200);
	say_counts(&c);
	return 0;
}
