/* tests/victims/fork_exact.c - a storm of forks from eight threads; every process counts its blocks for itself.
 *
 * A lock keeps blocks and counters together at each fork, nothing more: threads run, and die at fork, all the time.
 * Children free and resize what they inherited, allocate, fork a grandchild, start threads.  Each prints one line.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "counts.h"

enum { THREADS = 8, FORKS = 12, KEPT = 64, ROUNDS = 200 };

struct block {
	void *p;
	size_t size;
};

static struct worker {
	struct counts counts;
	struct block kept[KEPT];
	unsigned seed;
} workers[THREADS + 1]; /* the last: the main thread's */

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

static void churn(struct worker *w, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		struct block *b = &w->kept[(unsigned)rand_r(&w->seed) % KEPT];
		size_t size = (size_t)rand_r(&w->seed) % 2000 + 1;

		if (!b->p) {
			*b = (struct block){ take(&w->counts, size), size };
		} else if (rand_r(&w->seed) % 3 == 0) {
			b->p = retake(&w->counts, b->p, b->size, size);
			b->size = size;
		} else {
			drop(&w->counts, b->p, b->size);
			b->p = NULL;
		}
	}
}

static void say_all(void)
{
	struct counts sum = { 0 };

	for (int i = 0; i <= THREADS; i++) {
		const unsigned long *from = (const unsigned long *)&workers[i].counts;

		for (size_t k = 0; k < sizeof(sum) / sizeof(*from); k++)
			((unsigned long *)&sum)[k] += from[k];
	}
	say_counts(&sum);
}

static void inherit_all(void)
{
	for (int i = 0; i <= THREADS; i++)
		inherit(&workers[i].counts);
}

static void *child_thread(void *arg)
{
	churn(arg, ROUNDS);
	return NULL;
}

/* All workers' blocks are ours now.  With `threads` the first to be heard of are two threads at once. */
static void live_as_a_child(int threads)
{
	pthread_t t[2];

	inherit_all();
	for (int i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, child_thread, &workers[i]))
			_exit(96);
	for (int i = threads; i <= THREADS; i++)
		churn(&workers[i], ROUNDS / 4);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
}

static void fork_grandchild(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		live_as_a_child(0);
		say_all();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		_exit(95);
}

static void *thread(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < FORKS; i++) {
		pid_t pid;
		int status = 1;

		for (int k = 0; k < 20; k++) {
			pthread_rwlock_rdlock(&lock);
			churn(w, ROUNDS / 20);
			pthread_rwlock_unlock(&lock);
		}
		pthread_rwlock_wrlock(&lock);
		pid = fork();
		if (pid == 0) {
			if (i % 4 == 1)
				fork_grandchild(); /* before anything was recorded of its parent */
			live_as_a_child(i % 3 ? 0 : 2);
			if (i % 4 == 0)
				fork_grandchild();
			say_all();
			_exit(0);
		}
		pthread_rwlock_unlock(&lock);
		if (waitpid(pid, &status, 0) != pid || status)
			_exit(94);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	for (int i = 0; i <= THREADS; i++)
		workers[i].seed = (unsigned)i + 1;
	churn(&workers[THREADS], ROUNDS);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, thread, &workers[i]))
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	say_all();
	return 0;
}
