/* tests/victims/deep_recursion.c - allocates at the bottom of a million frames. */
#include <pthread.h>
#include <stdlib.h>

static void *volatile sink;
static int token;

static __attribute__((noinline)) int down(int n)
{
	volatile int keep = n; /* a frame each, whatever the compiler thinks */

	if (n > 0)
		return down(n - 1) + (keep == n);
	for (int i = 0; i < 20000; i++) {
		sink = malloc(100);
		free(sink);
	}
	return 0;
}

static void *thread(void *arg)
{
	return down(1000000) == 1000000 ? arg : NULL;
}

int main(void)
{
	pthread_attr_t a;
	pthread_t t;
	void *result;

	pthread_attr_init(&a);
	if (pthread_attr_setstacksize(&a, 512u << 20) || pthread_create(&t, &a, thread, &token))
		return 1;
	pthread_join(t, &result);
	return result == &token ? 0 : 2;
}
