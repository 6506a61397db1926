/* tests/victims/cancelled.c - malloc is no cancellation point: a thread with a pending cancellation allocates on,
 * until the first real one; then its clean-up handler runs. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static int survived, cleaned;
static pthread_barrier_t pending;

static void clean(void *block)
{
	free(block);
	cleaned = 1;
}

static void *thread(void *arg)
{
	pthread_barrier_wait(&pending);
	for (int i = 0; i < 200000; i++)
		free(realloc(malloc((size_t)i % 300), (size_t)i % 500 + 1));
	survived = 1;
	pthread_cleanup_push(clean, malloc(1000));
	for (;;)
		pthread_testcancel();
	pthread_cleanup_pop(1);
	return arg;
}

int main(void)
{
	pthread_t t;
	void *result;

	pthread_barrier_init(&pending, NULL, 2);
	if (pthread_create(&t, NULL, thread, NULL))
		return 1;
	pthread_cancel(t);
	pthread_barrier_wait(&pending);
	pthread_join(t, &result);
	return survived && cleaned && result == PTHREAD_CANCELED ? 0 : 2;
}
