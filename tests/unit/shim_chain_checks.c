/* tests/unit/shim_chain_checks.c - what a joined walk must check, where a random program (shim_chain.c) does not
 * get.
 *
 * Each case changes something behind the back of a slot that remembers a walk, and walks again in it.  unwind.c is
 * included, to make other slots forget. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "preload/unwind.c"

#include "tests/unit/walk_fixture.h"

#define CHAINED 0u
#define FULL 1u
#define KIB 1024u

/* A stack that ends where another one did not: what the chain read beyond is not there any more. */
static struct unwind_start left;

static NOINLINE void leave_a_chain(void)
{
	ORACLE_START(start);
	const struct unwind_stack *s = unwind_walk(&start, ABI_MAX_DEPTH, CHAINED);

	cr_assert_eq(s->flags, 0);
	left = start;
	unwind_done(s);
}

static void *deep_thread(void *arg)
{
	volatile char *p = __builtin_alloca(160 * KIB); /* the end of the other stack is in here */

	__asm__ volatile("" : "+r"(p) : : "memory"); /* all of it is used, for all the compiler knows */
	recurse(5, leave_a_chain);
	__asm__ volatile("" : "+r"(p) : : "memory");
	return arg;
}

static void *thread_below(void *arg)
{
	const struct unwind_stack *s = unwind_walk(&left, ABI_MAX_DEPTH, CHAINED);

	seen.n = s->n;
	seen.flags = s->flags;
	unwind_done(s);
	return arg;
}

static void run_on(void *stack, size_t size, void *(*f)(void *))
{
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	cr_assert_eq(pthread_attr_setstack(&attr, stack, size), 0);
	cr_assert_eq(pthread_create(&id, &attr, f, NULL), 0);
	cr_assert_eq(pthread_join(id, NULL), 0);
	pthread_attr_destroy(&attr);
}

Test(chain_checks, joins_only_on_a_stack_that_ends_where_the_last_one_did, .init = setup)
{
	uint8_t *stack = mmap(NULL, 256 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	run_on(stack, 256 * KIB, deep_thread);
	cr_assert(load_relaxed(&walker.slots[CHAINED].chain.valid));
	cr_assert(left.sp > (uintptr_t)stack && left.sp < (uintptr_t)stack + 112 * KIB);
	cr_assert_eq(mprotect(stack + 128 * KIB, 128 * KIB, PROT_NONE), 0);
	run_on(stack, 128 * KIB, thread_below);
	cr_assert_gt(seen.n, 5, "the dead frames are still there");
	cr_assert_eq(seen.flags, ABI_STACK_TRUNCATED);
}

/* A function as gcc realigns a stack: calls f with its rbp; its CFA is the word before that. */
void chain_realigned(void (*f)(uintptr_t *rbp));
__asm__(".text\n"
	".type chain_realigned, @function\n"
	"chain_realigned:\n"
	"	.cfi_startproc\n"
	"	lea 8(%rsp), %r10\n"
	"	.cfi_def_cfa 10, 0\n"
	"	and $-64, %rsp\n"
	"	push -8(%r10)\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	.cfi_escape 0x10, 0x6, 0x2, 0x76, 0x0\n" /* rbp is at *rbp */
	"	push %r10\n"
	"	.cfi_escape 0xf, 0x3, 0x76, 0x78, 0x6\n" /* CFA = *(rbp - 8) */
	"	sub $40, %rsp\n"
	"	mov %rdi, %rax\n"
	"	mov %rbp, %rdi\n"
	"	call *%rax\n"
	"	mov -8(%rbp), %r10\n"
	"	.cfi_def_cfa 10, 0\n"
	"	leave\n"
	"	lea -8(%r10), %rsp\n"
	"	.cfi_def_cfa 7, 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size chain_realigned, . - chain_realigned\n");

/* Walk in both slots: the frames must agree.  Returns how many there are. */
static NOINLINE uint32_t walk_both(void)
{
	ORACLE_START(start);
	const struct unwind_stack *a, *b;
	uint32_t n;

	store_relaxed(&walker.slots[FULL].chain.valid, false);
	b = unwind_walk(&start, ABI_MAX_DEPTH, FULL);
	a = unwind_walk(&start, ABI_MAX_DEPTH, CHAINED);
	cr_assert_eq(a->n, b->n, "%u frames, full walk %u", a->n, b->n);
	for (uint32_t i = 0; i < a->n; i++)
		cr_assert_eq(a->frames[i], b->frames[i], "frame %u", i);
	n = a->n;
	unwind_done(a);
	unwind_done(b);
	return n;
}

static void move_cfa(uintptr_t *rbp)
{
	const struct chain_visit *visits = walker.slots[FULL].visits;
	uint32_t n = walk_both(), moved;
	uintptr_t cfa = rbp[-1];

	/* 0 is this function, 1 the realigned one, 2 its caller: that one is left out now. */
	cr_assert_eq(rule_kind(visits[1].rule), RULE_AT_FP_CHAIN);
	cr_assert_eq(visits[2].sp, cfa);
	rbp[-1] = visits[3].sp;
	moved = walk_both();
	rbp[-1] = cfa;
	cr_assert_eq(moved, n - 1);
	cr_assert_eq(walk_both(), n);
}

static NOINLINE int call_realigned(int n)
{
	chain_realigned(move_cfa);
	__asm__ volatile("" : "+r"(n));
	return n + 1;
}

Test(chain_checks, sees_that_a_realigned_frame_has_another_caller, .init = setup)
{
	int n = call_realigned(1);

	__asm__ volatile("" : "+r"(n));
	cr_assert_eq(n, 2);
}

/* Functions that save rbp and lose it: they call f with the address of the saved one.  It is beside the return
 * address, or apart from it. */
void chain_saves_beside(void (*f)(uintptr_t *saved));
void chain_saves_apart(void (*f)(uintptr_t *saved));
__asm__(".text\n"
	".type chain_saves_beside, @function\n"
	"chain_saves_beside:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset 6, -16\n"
	"	mov $1, %ebp\n"
	"	mov %rdi, %rax\n"
	"	mov %rsp, %rdi\n"
	"	call *%rax\n"
	"	pop %rbp\n"
	"	.cfi_def_cfa_offset 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size chain_saves_beside, . - chain_saves_beside\n"
	".type chain_saves_apart, @function\n"
	"chain_saves_apart:\n"
	"	.cfi_startproc\n"
	"	push %r15\n"
	"	push %rbp\n"
	"	.cfi_offset 6, -24\n"
	"	sub $8, %rsp\n"
	"	.cfi_def_cfa_offset 32\n"
	"	mov $1, %ebp\n"
	"	mov %rdi, %rax\n"
	"	lea 8(%rsp), %rdi\n"
	"	call *%rax\n"
	"	add $8, %rsp\n"
	"	.cfi_def_cfa_offset 24\n"
	"	pop %rbp\n"
	"	.cfi_def_cfa_offset 16\n"
	"	pop %r15\n"
	"	.cfi_def_cfa_offset 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size chain_saves_apart, . - chain_saves_apart\n");

/* Makes the saved rbp that of the frame after the next: the one between is left out. */
static void move_saved(uintptr_t *saved)
{
	uint32_t n = walk_both(), moved;
	uintptr_t fp = *saved;

	*saved = *(uintptr_t *)fp;
	moved = walk_both();
	*saved = fp;
	cr_assert_eq(moved, n - 1, "%u of %u frames: the saved rbp does not matter", moved, n);
	cr_assert_eq(walk_both(), n);
}

/* Frames with frame pointers, the last of them calls f. */
static NOINLINE int with_frame_pointers(int n, void (*f)(void (*)(uintptr_t *)))
{
	volatile char *p = __builtin_alloca(16 + (size_t)(n & 7));

	p[0] = 1;
	if (n)
		p[0] += (char)with_frame_pointers(n - 1, f);
	else
		f(move_saved);
	return p[0];
}

Test(chain_checks, sees_a_changed_frame_pointer_beside_a_return_address, .init = setup)
{
	cr_assert_eq(with_frame_pointers(4, chain_saves_beside), 5);
}

Test(chain_checks, sees_a_changed_frame_pointer_apart_from_return_addresses, .init = setup)
{
	cr_assert_eq(with_frame_pointers(4, chain_saves_apart), 5);
}

/* The second walk takes no step. */
static volatile unsigned joined;

static void walk_twice(int signo)
{
	struct chain_visit *visits = walker.slots[CHAINED].visits;

	(void)signo;
	for (int i = 0; i < 2; i++) {
		ORACLE_START(start);

		visits[0].frame = 0;
		unwind_done(unwind_walk(&start, ABI_MAX_DEPTH, CHAINED));
		joined += visits[0].frame == 0;
	}
}

static void interrupt(void)
{
	raise(SIGUSR1);
}

Test(chain_checks, joins_across_a_signal_frame, .init = setup)
{
	signal(SIGUSR1, walk_twice);
	recurse(10, interrupt);
	cr_assert_eq(joined, 1);
}
