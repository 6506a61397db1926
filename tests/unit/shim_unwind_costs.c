/* tests/unit/shim_unwind_costs.c - what walks need of other people's memory: stack, and pages of their own.
 *
 * unwind.c is included, to see the slots. */
#include <sys/mman.h>

#include "preload/unwind.c"

#include "tests/unit/walk_fixture.h"

/* Stack use: paint, walk, see how far down the paint is gone. */
#define PAINT 8192u

static NOINLINE void paint(void)
{
	uint8_t a[PAINT];

	__asm__ volatile("" : : "r"(a) : "memory");
	for (unsigned i = 0; i < PAINT; i++)
		a[i] = 0xa5;
	__asm__ volatile("" : : "r"(a) : "memory");
}

static NOINLINE unsigned unpainted(void)
{
	uint8_t a[PAINT];
	unsigned i = 0;

	__asm__ volatile("" : : "r"(a) : "memory");
	while (i < PAINT && a[i] == 0xa5)
		i++;
	return PAINT - i;
}

static NOINLINE unsigned walk_on_paint(void)
{
	struct unwind_start start = { (uintptr_t)recurse + 1, (uintptr_t)__builtin_frame_address(0) + 16, 0 };
	const struct unwind_stack *s = unwind_walk(&start, 100, 0);

	unwind_done(s);
	return s->n;
}

Test(unwind_costs, uses_at_most_a_kilobyte_of_stack, .init = setup)
{
	unsigned used;

	paint();
	walk_on_paint(); /* compiles rules */
	used = unpainted();
	cr_log_info("%u bytes of stack", used);
	cr_assert_leq(used, 1024);
	cr_assert_gt(used, 100, "nothing was measured");
}

/* Memory: the deepest stacks at the default depth, in every slot, growing frame by frame so that chains get long.
 */
static NOINLINE void walk_in_every_slot(void)
{
	ORACLE_START(start);

	for (uint32_t i = 0; i < SLOTS; i++)
		unwind_done(unwind_walk(&start, ABI_DEFAULT_DEPTH, i));
}

/* With a frame pointer: two words a frame. */
static NOINLINE int grow(int n)
{
	volatile char *p = __builtin_alloca(16 + (size_t)(n & 15));
	int r = n;

	p[0] = (char)n;
	walk_in_every_slot();
	if (n)
		r += grow(n - 1);
	return r + p[0];
}

static size_t resident(const void *start, size_t size)
{
	static unsigned char pages[sizeof(walker) / 4096 + 2];
	size_t n = 0;

	cr_assert_eq((uintptr_t)start % 4096, 0);
	cr_assert_eq(mincore((void *)(uintptr_t)start, size, pages), 0);
	for (size_t i = 0; i < (size + 4095) / 4096; i++)
		n += pages[i] & 1;
	return n * 4096;
}

Test(unwind_costs, touches_at_most_a_megabyte_whatever_the_number_of_threads, .init = setup)
{
	size_t used;

	cr_assert_leq(resident(&walker.slots, sizeof(walker.slots)), 4096);
	grow(700);
	used = resident(&walker.slots, sizeof(walker.slots));
	cr_log_info("%zu bytes of walk slots, %zu of rules", used, sizeof(rules_table));
	cr_assert_leq(used + sizeof(rules_table), 1 << 20);
	cr_assert_gt(used, SLOTS * 16384, "the chains did not get long");
}
