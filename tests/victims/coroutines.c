/* tests/victims/coroutines.c - coroutines on small stacks between unreadable pages, which are unmapped and used
 * again. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK = 8192, GUARD = 4096, COROUTINES = 400 };
static ucontext_t back, there;
static long done;

static void allocate(int depth)
{
	char pad[100];

	pad[depth % 100] = 1;
	free(malloc((size_t)depth * 10 + (size_t)pad[depth % 100]));
	if (depth > 0)
		allocate(depth - 1);
}

static void coroutine(void)
{
	allocate(8);
	swapcontext(&there, &back);
	allocate(8);
	done++;
}

int main(void)
{
	for (int i = 0; i < COROUTINES; i++) {
		char *s = mmap(NULL, STACK + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (s == MAP_FAILED || mprotect(s + GUARD, STACK, PROT_READ | PROT_WRITE) || getcontext(&there))
			return 1;
		there.uc_stack.ss_sp = s + GUARD;
		there.uc_stack.ss_size = STACK;
		there.uc_link = &back;
		makecontext(&there, coroutine, 0);
		for (int turn = 0; turn < 2; turn++) {
			swapcontext(&back, &there);
			allocate(3);
		}
		munmap(s, STACK + 2 * GUARD);
		allocate(3);
	}
	return done == COROUTINES ? 0 : 2;
}
