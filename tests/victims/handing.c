/* tests/victims/handing.c - threads that allocate by the same calls and hand their blocks to each other.
 *
 * alpha: 100 of 1000 bytes, of which beta frees 40.  beta: 50 of 3000, of which gamma frees 10.  gamma: 20 of 7000.
 * Each takes its name after it allocated.  Before them two nameless threads, one after the other on the same stack:
 * 5 of 11000 each.  Then the file $READY is created, and all wait for the end of stdin; with an argument, alpha
 * allocates another 10 of 1000 bytes when a line comes, and $READY.again follows. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX 100

struct job {
	const char *name;
	int n, frees; /* the first `frees` of what was handed over */
	size_t size;
	struct job *from;
	void *blocks[MAX];
	sem_t done, more;
};

static sem_t forever;

__attribute__((noinline)) static void allocate(struct job *j, int n)
{
	for (int i = 0; i < n; i++) {
		j->blocks[i] = malloc(j->size);
		__asm__ volatile("" : : "r"(j->blocks[i]) : "memory");
	}
}

static void *work(void *arg)
{
	struct job *j = arg;

	allocate(j, j->n);
	if (j->name)
		pthread_setname_np(pthread_self(), j->name);
	for (int i = 0; i < j->frees; i++)
		free(j->from->blocks[i]);
	sem_post(&j->done);
	if (!j->name)
		return NULL;
	sem_wait(&j->more);
	allocate(j, 10);
	sem_post(&j->done);
	sem_wait(&forever);
	return NULL;
}

static void run(struct job *j)
{
	pthread_t t;

	sem_init(&j->done, 0, 0);
	sem_init(&j->more, 0, 0);
	if (pthread_create(&t, NULL, work, j))
		exit(1);
	sem_wait(&j->done);
	if (!j->name)
		pthread_join(t, NULL);
}

static void say(const char *suffix)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", getenv("READY"), suffix);
	if (open(path, O_WRONLY | O_CREAT, 0600) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	static struct job first = { .n = 5, .size = 11000 }, second = { .n = 5, .size = 11000 };
	static struct job alpha = { .name = "alpha", .n = 100, .size = 1000 };
	static struct job beta = { .name = "beta", .n = 50, .size = 3000, .from = &alpha, .frees = 40 };
	static struct job gamma_ = { .name = "gamma", .n = 20, .size = 7000, .from = &beta, .frees = 10 };
	char c;

	(void)argv;
	sem_init(&forever, 0, 0);
	run(&first);
	run(&second);
	run(&alpha);
	run(&beta);
	run(&gamma_);
	say("");
	if (argc > 1 && read(STDIN_FILENO, &c, 1) == 1) {
		sem_post(&alpha.more);
		sem_wait(&alpha.done);
		say(".again");
	}
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}
