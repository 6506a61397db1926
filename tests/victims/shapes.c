/* tests/victims/shapes.c - allocates from every shape of stack frame a C compiler makes; see tests/e2e/stacks.sh.
 *
 * alloca and arrays of variable length, realigned frames, frames beyond 1 MiB, a noreturn call as the last
 * instruction, .cold parts, tail calls, callbacks out of libc, setjmp, deep recursion, signal handlers on the
 * normal and on an alternate stack, threads with the smallest stack, forked children. */
#include <alloca.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static volatile int sink;
static char small_stack[1];
static jmp_buf jump;

static NOINLINE int touch(size_t n)
{
	char *p = malloc(n);
	int r = p != NULL;

	memset(p, 1, n);
	sink += p[n - 1];
	free(p);
	return r;
}

static NOINLINE int with_alloca(int n)
{
	char *p = alloca((size_t)n * 24 + 1);

	p[0] = 1;
	return touch(100) + p[0];
}

static NOINLINE int with_array(int n)
{
	volatile char a[n * 16 + 1];

	a[n] = 3;
	return touch(100) + a[n];
}

static NOINLINE int realigned(int n)
{
	_Alignas(128) volatile char block[128];

	block[n] = 1;
	return touch(100) + block[n];
}

static NOINLINE int realigned_array(int n)
{
	_Alignas(64) volatile char block[64];
	volatile char a[n * 16 + 1];

	block[n] = a[n] = 1;
	return touch(100) + block[n] + a[n];
}

static NOINLINE int huge(int n)
{
	volatile char block[3 << 20];

	block[n] = block[sizeof(block) - 1] = 1;
	return touch(100) + block[n];
}

static NOINLINE int many_arguments(int a, int b, int c, int d, int e, int f, int g, int h, int i)
{
	int r = touch((size_t)(a + b + c + d));

	return r + e * f - g * h + i;
}

static NOINLINE __attribute__((noreturn)) void last(int n)
{
	touch((size_t)n + 10);
	longjmp(jump, 1);
}

static NOINLINE int calls_noreturn(int n)
{
	if (n > 0)
		last(n);
	return touch(20);
}

static NOINLINE __attribute__((cold)) int rare(int n)
{
	return touch((size_t)n) + touch(30);
}

static NOINLINE int with_cold_part(int n)
{
	if (__builtin_expect(n > 100, 0)) {
		int r = rare(n);

		sink += r;
		return r + rare(n + 1);
	}
	return n;
}

static NOINLINE int tail(int n)
{
	sink++;
	return touch((size_t)n + 5);
}

static NOINLINE int recurse(int n)
{
	int r = n ? recurse(n - 1) : touch(64);

	sink += r;
	return r + (n % 50 == 0 ? touch(32) : 0);
}

static int compare(const void *a, const void *b)
{
	touch(48);
	return *(const int *)a - *(const int *)b;
}

static NOINLINE int all(void)
{
	int numbers[6] = { 5, 3, 6, 1, 4, 2 };
	int r = with_alloca(7) + with_array(5) + realigned(3) + realigned_array(4) + with_cold_part(200) + tail(3) +
		many_arguments(1, 2, 3, 4, 5, 6, 7, 8, 9) + recurse(30);

	qsort(numbers, 6, sizeof(numbers[0]), compare);
	if (setjmp(jump) == 0)
		r += calls_noreturn(3);
	return r + touch(10);
}

static void on_signal(int signo)
{
	(void)signo;
	touch(16);
}

/* Interrupts whatever instruction the loop is at. */
static NOINLINE void signals(int signo, int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags | SA_RESTART };
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

	sigaltstack(&stack, NULL);
	sigaction(signo, &sa, NULL);
	for (int i = 0; i < 200; i++) {
		raise(signo);
		all();
	}
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	free(stack.ss_sp);
}

static void *thread(void *arg)
{
	if (arg)
		touch(100);
	else
		all();
	return arg;
}

static void threads(void)
{
	pthread_attr_t small;
	pthread_t id;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, (size_t)PTHREAD_STACK_MIN);
	for (int i = 0; i < 50; i++) {
		pthread_create(&id, NULL, thread, NULL);
		pthread_join(id, NULL);
		if (pthread_create(&id, &small, thread, small_stack) == 0)
			pthread_join(id, NULL);
	}
	pthread_attr_destroy(&small);
}

int main(void)
{
	pid_t child;
	int status = 0;

	for (int i = 0; i < 100; i++)
		all();
	huge(5);
	recurse(3000);
	signals(SIGUSR1, 0);
	signals(SIGUSR2, SA_ONSTACK);
	threads();
	child = fork();
	if (child == 0) {
		all();
		return 0;
	}
	waitpid(child, &status, 0);
	return status;
}
