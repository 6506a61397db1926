/* tests/unit/shim_foreign.c - walks on stacks that are not the thread's: nothing is read that may not be there. */
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/unit/walk_fixture.h"

/* Coroutines: the stack ends right below a page that must not be touched. */
#define CO_SIZE 8192u

static ucontext_t co_main, co;

static void co_entry(void)
{
	for (;;) {
		recurse(3, check_alone);
		swapcontext(&co, &co_main);
	}
}

Test(foreign, keeps_to_the_innermost_page_of_a_foreign_stack, .init = setup)
{
	uint8_t *stack = mmap(NULL, CO_SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(stack + CO_SIZE, 4096, PROT_NONE);
	for (uint32_t room = 512; room <= CO_SIZE; room += 16) {
		getcontext(&co);
		co.uc_stack.ss_sp = stack + CO_SIZE - room;
		co.uc_stack.ss_size = room;
		if (room < 4096)
			co.uc_stack.ss_sp = stack, co.uc_stack.ss_size = CO_SIZE - (room & ~15u);
		makecontext(&co, co_entry, 0);
		seen.n = 0;
		swapcontext(&co_main, &co);
		cr_assert_geq(seen.n, 1);
		cr_assert(seen.flags == 0 || seen.flags & ABI_STACK_FOREIGN);
		cr_assert_lt(seen.frames[0] - (uintptr_t)recurse, 200, "the leaf is known for certain");
	}
}

/* Enter a function with the stack pointer at the very end of a mapping: its caller's frame is not there at all. */
static NOINLINE void enter_at(void *top)
{
	__asm__ volatile("mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\tcall *%1\n\tmov %%rbx, %%rsp"
			 :
			 : "r"(top), "r"(check_alone)
			 : "rbx", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

Test(foreign, reads_nothing_past_the_end_of_a_foreign_stack, .init = setup)
{
	uint8_t *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(stack + 61440, 4096, PROT_NONE);
	enter_at(stack + 61440);
	cr_assert_eq(seen.n, 1);
	cr_assert_eq(seen.flags, ABI_STACK_FOREIGN | ABI_STACK_TRUNCATED);
}

static void *coroutine_below(void *stack)
{
	getcontext(&co);
	co.uc_stack.ss_sp = stack;
	co.uc_stack.ss_size = 65536;
	makecontext(&co, co_entry, 0);
	swapcontext(&co_main, &co);
	return NULL;
}

Test(foreign, tells_a_coroutine_from_the_thread_whose_stack_is_right_above, .init = setup)
{
	uint8_t *both = mmap(NULL, 1 << 19, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	cr_assert_eq(pthread_attr_setstack(&attr, both + 65536, (1 << 19) - 65536), 0);
	cr_assert_eq(pthread_create(&id, &attr, coroutine_below, both), 0);
	pthread_join(id, NULL);
	cr_assert(seen.flags & ABI_STACK_FOREIGN);
}
