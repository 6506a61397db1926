/* tests/victims/fork_storm.c - forks while other threads allocate; every child allocates and must come back. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop;

static void churn(int rounds)
{
	for (int i = 0; i < rounds && !stop; i++) {
		void *p = malloc((size_t)i % 500);

		p = realloc(p, (size_t)i % 700 + 1);
		free(p);
	}
}

static void *thread(void *arg)
{
	while (!stop)
		churn(1000);
	return arg;
}

int main(void)
{
	pthread_t t[3];
	int back = 0;

	for (int i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, thread, NULL))
			return 1;
	for (int i = 0; i < 200; i++) {
		int status = 1;

		if (fork() == 0) {
			churn(100);
			_exit(0);
		}
		wait(&status);
		back += status == 0;
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("%d children came back\n", back);
	return 0;
}
