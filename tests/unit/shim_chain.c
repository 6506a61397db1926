/* tests/unit/shim_chain.c - the verified chain against full walks, over random histories of a stack.
 *
 * A random program calls, returns, recurses, longjmps, takes signals, switches coroutines and starts threads; at
 * random points its stack is walked twice: in a slot that remembers the walks before, and in one that is made to
 * forget.  Both must agree in every frame, flag and hash.  unwind.c is included, to reach the slots. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "preload/unwind.c"

#include "common/stacktab.h"
#include "tests/unit/region.h"

#define CHAINED 0u
#define FULL 1u

extern char **environ;

static struct {
	uint64_t random;
	unsigned long walks, joined, trimmed, alternate;
	unsigned depth, limit; /* of the random program */
	uint32_t max_depth;
	sigjmp_buf *jumps[64];
	unsigned n_jumps;
	ucontext_t here, there;
	bool in_coroutine;
	long left; /* steps */
} t;

static uint32_t draw(uint32_t n)
{
	t.random = t.random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((t.random >> 33) % n);
}

/* Walk as a hook would: from the caller. */
static NOINLINE void check(void)
{
	uintptr_t *fa = __builtin_frame_address(0);
	struct unwind_start start = { (uintptr_t)__builtin_return_address(0), (uintptr_t)(fa + 2), fa[0] };
	uint32_t max = draw(8) ? t.max_depth : 1 + draw(100);
	const struct unwind_stack *a, *b;
	struct chain_visit *last;

	walker.slots[FULL].chain.valid = false;
	b = unwind_walk(&start, max, FULL);
	last = &walker.slots[CHAINED].visits[b->n - 1]; /* a walk that joins the chain does not get there */
	last->frame = 0;
	a = unwind_walk(&start, max, CHAINED);
	cr_assert(a && b && a != b);
	t.walks++;
	t.joined += last->frame == 0;
	t.trimmed += (b->flags & ABI_STACK_CAPPED) != 0;
	cr_assert_eq(a->flags, b->flags, "walk %lu: flags %u, full walk %u", t.walks, a->flags, b->flags);
	cr_assert_eq(a->n, b->n, "walk %lu: %u frames, full walk %u", t.walks, a->n, b->n);
	for (uint32_t i = 0; i < a->n; i++)
		cr_assert_eq(a->frames[i], b->frames[i], "walk %lu: frame %u of %u", t.walks, i, a->n);
	cr_assert_eq(a->hash, b->hash);
	cr_assert_eq(b->hash, stack_hash(b->frames, b->n, b->flags, b->epoch));
	unwind_done(b);
	unwind_done(a);
}

static int wander(int salt);

/* Shapes of frames.  Each uses what wander() returns after the call, so that none is a tail call. */
#ifdef __clang__
#define SHAPE NOINLINE
#define FRAME_POINTER
#else
#define SHAPE NOINLINE __attribute__((noclone))
#define FRAME_POINTER __attribute__((optimize("no-omit-frame-pointer")))
#endif

static SHAPE int shape_plain(int salt)
{
	return wander(salt) + 1;
}

static SHAPE FRAME_POINTER int shape_fp(int salt)
{
	return wander(salt) + 2;
}

static SHAPE int shape_alloca(int salt)
{
	volatile char *p = __builtin_alloca(16 + draw(300));

	p[0] = (char)salt;
	return wander(salt) + p[0];
}

static SHAPE int shape_realigned(int salt)
{
	alignas(64) volatile char block[64];
	volatile char *p = __builtin_alloca(16 + draw(64));

	block[0] = p[0] = (char)salt;
	return wander(salt) + block[0] + p[0];
}

static SHAPE int shape_wide(int salt)
{
	volatile char block[2000];

	block[draw(2000)] = (char)salt;
	return wander(salt) + block[5];
}

/* Keeps values in callee-saved registers, rbp among them, so that its fp is no frame pointer. */
static SHAPE int shape_registers(int a)
{
	int b = a * 3, c = a ^ 7, d = a + 11, e = a - 5, f = a * a;

	for (int i = 0; i < 2; i++)
		a += wander(b) + b + c * d + e + f;
	return a;
}

static SHAPE int shape_again(int salt)
{
	int r = salt ? shape_again(salt - 1) : wander(salt);

	__asm__ volatile("" : "+r"(r));
	return r + 1;
}

static SHAPE int shape_setjmp(int salt)
{
	sigjmp_buf jump;
	unsigned depth = t.depth, n = t.n_jumps;
	volatile int r = salt;

	if (n == 64)
		return salt;
	if (sigsetjmp(jump, 0) == 0) {
		t.jumps[t.n_jumps++] = &jump;
		r = wander(salt);
	}
	t.n_jumps = n;
	t.depth = depth;
	return r + 3;
}

static void on_signal(int signo)
{
	check();
	if (t.depth < t.limit && !t.in_coroutine)
		wander(signo);
}

/* On the alternate stack: the walk begins on a foreign stack and comes back to the thread's own. */
static void on_alternate(int signo)
{
	(void)signo;
	t.alternate++;
	check();
}

static void coroutine(void)
{
	for (;;) {
		check();
		swapcontext(&t.there, &t.here);
	}
}

static void visit_coroutine(void)
{
	t.in_coroutine = true;
	swapcontext(&t.here, &t.there);
	t.in_coroutine = false;
}

static int act(int salt)
{
	switch (draw(12)) {
	case 0:
		if (t.n_jumps && draw(4) == 0)
			siglongjmp(*t.jumps[draw(t.n_jumps)], 1);
		break;
	case 1:
		if (draw(8) == 0)
			raise(draw(2) ? SIGUSR1 : SIGUSR2);
		break;
	case 2:
		if (draw(8) == 0)
			visit_coroutine();
		break;
	default:
		check();
	}
	return salt;
}

static int wander(int salt)
{
	static int (*const shapes[])(int) = { shape_plain, shape_fp,    shape_alloca, shape_realigned,
					      shape_wide,  shape_again, shape_setjmp, shape_registers };

	t.depth++;
	while (t.left-- > 0 && draw(3)) {
		if (t.depth < t.limit && draw(5) > 1)
			salt += shapes[draw(ARRAY_SIZE(shapes))](salt & 3);
		else
			salt = act(salt);
	}
	t.depth--;
	return salt;
}

/* Go down far first, then wander: `wander` alone returns soon. */
static NOINLINE int dive(int n)
{
	int r = n ? dive(n - 1) : 0;

	for (int i = 0; i < 3; i++)
		r += wander(i);
	__asm__ volatile("" : "+r"(r));
	return r;
}

static void *thread(void *arg)
{
	t.depth = t.n_jumps = 0;
	for (unsigned i = 0; i < 20 && t.left > 0; i++)
		dive((int)draw(60));
	return arg;
}

static void run(uint64_t seed, uint32_t max_depth, unsigned limit, int rounds)
{
	static char stack[65536], alternate[65536];
	struct test_region region;
	struct abi_geometry geo = test_geometry();
	pthread_t id;

	geo.modules = 256;
	geo.strings = 1 << 16;
	test_region_init(&region, &geo);
	cr_assert_eq(unwind_init(&region.r, environ), 0);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_NODEFER }, NULL);
	sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = on_alternate, .sa_flags = SA_ONSTACK }, NULL);
	sigaltstack(&(stack_t){ .ss_sp = alternate, .ss_size = sizeof(alternate) }, NULL);
	getcontext(&t.there);
	t.there.uc_stack.ss_sp = stack;
	t.there.uc_stack.ss_size = sizeof(stack);
	makecontext(&t.there, coroutine, 0);
	t.random = seed;
	t.max_depth = max_depth;
	t.limit = limit;
	for (int round = 0; round < rounds; round++) {
		t.left = 30000;
		t.depth = t.n_jumps = 0;
		while (t.left > 0)
			dive((int)draw(limit));
		t.left = 5000;
		cr_assert_eq(pthread_create(&id, NULL, thread, NULL), 0); /* round after round on the same stack */
		cr_assert_eq(pthread_join(id, NULL), 0);
	}
	cr_log_info("%lu walks, %lu joined the chain, %lu cut", t.walks, t.joined, t.trimmed);
	cr_assert_gt(t.walks, 6000ul * (unsigned)rounds);
	cr_assert_gt(t.alternate, 100);
	cr_assert_gt(t.joined, t.walks / 4, "the chain is hardly ever joined: this tests nothing");
	test_region_done(&region);
}

Test(chain, agrees_with_full_walks_when_nothing_is_cut, .timeout = 170)
{
	run(1, ABI_MAX_DEPTH, 60, 80);
}

Test(chain, agrees_with_full_walks_cut_at_the_default_depth, .timeout = 170)
{
	run(2, ABI_DEFAULT_DEPTH, 200, 80);
}

Test(chain, agrees_with_full_walks_cut_very_short, .timeout = 170)
{
	run(3, 7, 40, 80);
}

Test(chain, agrees_with_full_walks_deeper_than_it_holds, .timeout = 170)
{
	run(4, ABI_MAX_DEPTH, 2500, 12);
}
