/* tests/unit/shim_unwind.c - walks where it is hard: threads, signals, jumps, code without CFI, little stack.
 *
 * Foreign stacks are in shim_foreign.c, stack use and memory in shim_unwind_costs.c.  Agreement with libgcc over
 * whole programs is tests/e2e/stacks.sh; that the chain changes nothing is shim_chain.c.  unwind.c is included, to
 * see the slots. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "preload/unwind.c"

#include "tests/unit/walk_fixture.h"

Test(unwind, gives_nothing_before_it_is_set_up)
{
	struct unwind_start start = { 0 };

	cr_assert_null(unwind_walk(&start, 10, 0));
	unwind_modules_changed();
}

static NOINLINE void against_libunwind(void)
{
	void *reference[200];
	ORACLE_START(start);
	const struct unwind_stack *s = unwind_walk(&start, 200, 0);
	int n = unw_backtrace(reference, 200);

	cr_assert_eq((int)s->n, n - 1, "it begins one frame further in");
	for (uint32_t i = 0; i < s->n; i++)
		cr_assert_eq(s->frames[i], (uintptr_t)reference[i + 1]);
	unwind_done(s);
}

Test(unwind, agrees_with_libunwind, .init = setup)
{
	for (int depth = 0; depth < 60; depth++)
		recurse(depth, against_libunwind);
}

Test(unwind, stops_at_the_depth_asked_for_and_says_so, .init = setup)
{
	struct unwind_start start = { 0 };
	const struct unwind_stack *s;

	recurse(2000, check);
	cr_assert_eq(seen.n, ABI_MAX_DEPTH);
	cr_assert_eq(seen.flags, ABI_STACK_CAPPED);
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	recurse(5, check);
	cr_assert_eq(seen.flags, 0);
	cr_assert_null(unwind_walk(&start, 0, 0));
	start = (struct unwind_start){ (uintptr_t)recurse + 1, (uintptr_t)__builtin_frame_address(0), 0 };
	s = unwind_walk(&start, 1, 0);
	cr_assert_eq(s->n, 1);
	cr_assert_eq(s->frames[0], start.ip);
	unwind_done(s);
}

static void *in_thread(void *arg)
{
	recurse(arg ? 3 : 40, check);
	return NULL;
}

Test(unwind, knows_the_stacks_of_threads_also_provided_ones, .init = setup)
{
	size_t size = 1 << 18;
	pthread_attr_t attr;
	pthread_t id;
	void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_eq(pthread_create(&id, NULL, in_thread, NULL), 0);
	pthread_join(id, NULL);
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	cr_assert_gt(seen.n, 40);
	pthread_attr_init(&attr);
	cr_assert_eq(pthread_attr_setstack(&attr, stack, size), 0);
	cr_assert_eq(pthread_create(&id, &attr, in_thread, NULL), 0);
	pthread_join(id, NULL);
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	cr_assert_gt(seen.n, 40);
}

static _Atomic unsigned signals;

static void on_timer(int signo)
{
	(void)signo;
	signals++;
	check();
	cr_assert(seen.verdict == ORACLE_EQUAL || seen.verdict == ORACLE_FLAGGED, "verdict %d", seen.verdict);
}

static void timer(unsigned us)
{
	struct itimerval t = { { 0, us }, { 0, us } };

	setitimer(ITIMER_REAL, &t, NULL);
}

static NOINLINE void against_itself(void)
{
	ORACLE_START(start);
	const struct unwind_stack *a = unwind_walk(&start, 200, 1), *b = unwind_walk(&start, 200, 2);

	cr_assert(a && b);
	cr_assert_eq(a->hash, b->hash);
	cr_assert_eq(a->n, b->n);
	unwind_done(a);
	unwind_done(b);
}

Test(unwind, works_in_a_signal_handler_in_the_middle_of_a_walk, .init = setup, .timeout = 100)
{
	signal(SIGALRM, on_timer);
	timer(100);
	for (int i = 0; signals < 2000; i++)
		recurse(i % 50, against_itself);
	timer(0);
}

static sigjmp_buf out;
static volatile sig_atomic_t out_is_whole;

static void jump_out(int signo)
{
	(void)signo;
	if (!out_is_whole)
		return;
	out_is_whole = 0;
	signals++;
	siglongjmp(out, 1);
}

Test(unwind, takes_back_slots_of_walks_that_were_jumped_out_of, .init = setup, .timeout = 100)
{
	volatile unsigned left = 0;

	signal(SIGALRM, jump_out);
	timer(50);
	while (signals < 3000)
		if (sigsetjmp(out, 1) == 0) {
			out_is_whole = 1;
			for (int i = 0;; i++)
				recurse(40 + i % 50, against_itself);
		}
	timer(0);
	recurse(10, check);
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	for (uint32_t i = 0; i < SLOTS; i++)
		left += walker.slots[i].owner != 0;
	/* They are taken back when no free one is within reach of the hints 1 and 2; until then they stay. */
	cr_assert_leq(left, TRIES + 1, "%u slots are still locked", left);
}

static const struct unwind_stack *held;
static bool taken_over;

static void on_alternate_stack(int signo)
{
	const struct unwind_stack *s;
	ORACLE_START(start);

	(void)signo;
	s = unwind_walk(&start, 8, 5);
	taken_over = s == held;
	unwind_done(s);
}

static NOINLINE void interrupted(void)
{
	ORACLE_START(start);

	held = unwind_walk(&start, ABI_MAX_DEPTH, 5);
	raise(SIGUSR1);
	unwind_done(held);
}

/* By its address the walk looks like one that was jumped out of. */
Test(unwind, is_safe_from_a_handler_whose_stack_lies_above_it_in_the_same_stack, .init = setup)
{
	char memory[65536];
	const stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };

	cr_assert_eq(sigaltstack(&stack, NULL), 0);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_alternate_stack, .sa_flags = SA_ONSTACK }, NULL);
	taken_over = true;
	recurse(10, interrupted);
	cr_expect_not(taken_over);
	sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
}

/* Threads take stacks over from threads that ended, frames and all. */
static NOINLINE void as_several_threads(void)
{
	static const uint32_t tids[] = { 7, 7, 8, 7, 0, 0 };
	static const uint32_t expected[] = { 0, 99, 0, 0, 0, 99 };
	ORACLE_START(start);

	for (size_t i = 0; i < ARRAY_SIZE(tids); i++) {
		const struct unwind_stack *s = unwind_walk_of(&start, 200, 5, tids[i]);

		cr_expect_eq(*s->id, expected[i], "walk %zu", i);
		*s->id = 99;
		unwind_done(s);
	}
}

Test(unwind, remembers_stack_ids_of_one_thread_only, .init = setup)
{
	recurse(10, as_several_threads);
}

Test(unwind, works_in_a_forked_child, .init = setup)
{
	int status;
	pid_t child;

	recurse(10, check);
	child = fork();
	if (child == 0) {
		recurse(12, check);
		_exit(seen.verdict == ORACLE_EQUAL && seen.n > 12 ? 7 : 1);
	}
	waitpid(child, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* Machine code made here: calls its argument; with a frame pointer, or without and with anything in rbp. */
static const uint8_t code_with_fp[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };
static const uint8_t code_without_fp[] = { 0x55, 0x48, 0x89, 0xf5, 0xff, 0xd7, 0x5d, 0xc3 }; /* rbp = argument 2 */

typedef void jit_code(void (*f)(void), const void *rbp);

static jit_code *make_code(const uint8_t *bytes, size_t n)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < n; i++)
		page[i] = bytes[i];
	return (jit_code *)(uintptr_t)page;
}

Test(unwind, follows_frame_pointers_through_code_without_cfi, .init = setup)
{
	jit_code *f = make_code(code_with_fp, sizeof(code_with_fp));

	f(check, NULL);
	cr_assert_eq(seen.frames[0], (uintptr_t)f + 6);
	cr_assert_eq(seen.flags, 0, "it went on to the end");
	/* Linked here is libunwind's _Unwind_Backtrace, which follows frame pointers, too. */
	cr_assert_eq(seen.verdict, ORACLE_EQUAL);
	cr_assert_gt(seen.n, 4);
}

Test(unwind, ends_at_code_without_cfi_when_rbp_is_no_frame_pointer, .init = setup)
{
	jit_code *f = make_code(code_without_fp, sizeof(code_without_fp));
	/* A chain that looks right but leads to data, to itself, down, off the stack, to code that follows no call.
	 */
	uintptr_t bait[8] = { 0 };
	const void *const lures[] = { NULL,         bait,    (char *)bait + 1,  &bait[2],
				      (void *)-8ul, &region, (uint8_t *)environ };

	bait[0] = (uintptr_t)&bait[4];
	bait[1] = (uintptr_t)bait;
	bait[4] = (uintptr_t)&bait[4];
	bait[5] = (uintptr_t)recurse + 1;
	bait[2] = (uintptr_t)&bait[6];
	bait[3] = (uintptr_t)recurse + 1;
	for (size_t i = 0; i < ARRAY_SIZE(lures); i++) {
		f(check, lures[i]);
		cr_assert_eq(seen.frames[0], (uintptr_t)f + 6);
		cr_assert_eq(seen.n, 1, "lure %zu: %u frames", i, seen.n);
		cr_assert_eq(seen.flags, ABI_STACK_TRUNCATED);
	}
}
