/* tests/victims/small_stacks.c - how much stack an allocation takes: painted stacks of the smallest size.
 *
 * Prints nothing.  Exit 0 if below each allocating frame at most 4 KiB were touched: on a thread of
 * PTHREAD_STACK_MIN, and in a handler on an alternate stack (where no guard page would tell). */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 4096
enum { ALT = 65536 };
static char alt[ALT];
static int too_deep;

/* Paint what lies below us, allocate, and see how far down the paint is gone. */
static __attribute__((noinline)) void allocate(void)
{
	volatile char *here = __builtin_frame_address(0);
	long low = 7000, touched = 0;

	for (long i = 256; i < low; i++)
		here[-i] = 0x5a;
	void *volatile p = malloc(3000);

	p = realloc(p, 5000);
	free(p);
	for (long i = 256; i < low; i++)
		if (here[-i] != 0x5a)
			touched = i;
	too_deep |= touched > MOST;
}

static void handler(int sig)
{
	(void)sig;
	allocate();
}

static void *thread(void *arg)
{
	for (int i = 0; i < 50; i++)
		allocate();
	return arg;
}

int main(void)
{
	stack_t s = { .ss_sp = alt, .ss_size = ALT };
	struct sigaction a = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) || pthread_create(&t, &attr, thread, NULL))
		return 1;
	pthread_join(t, NULL);
	if (sigaltstack(&s, NULL) || sigaction(SIGUSR1, &a, NULL))
		return 2;
	for (int i = 0; i < 50; i++)
		raise(SIGUSR1);
	return too_deep ? 3 : 0;
}
