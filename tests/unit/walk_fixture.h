/* tests/unit/walk_fixture.h - take walks as a hook would, and look at them.
 *
 * The oracle is libunwind, also by the name of _Unwind_Backtrace: it comes first at link time. */
#pragma once

#include <criterion/criterion.h>

#include "preload/unwind.h"
#include "tests/tools/oracle.h"
#include "tests/unit/region.h"

extern char **environ;

static struct test_region region;
static struct oracle oracle;

static UNUSED void setup(void)
{
	struct abi_geometry geo = test_geometry();

	geo.modules = 256;
	geo.strings = 1 << 16;
	test_region_init(&region, &geo);
	cr_assert_eq(unwind_init(&region.r, environ), 0);
}

/* What check() saw last. */
static struct {
	uint32_t n, flags;
	uint64_t frames[8];
	enum oracle_verdict verdict;
} seen;

static void look(const struct unwind_start *start, bool compare)
{
	const struct unwind_stack *s = unwind_walk(start, ABI_MAX_DEPTH, 5);

	cr_assert_not_null(s);
	seen.n = s->n;
	seen.flags = s->flags;
	for (uint32_t i = 0; i < s->n && i < ARRAY_SIZE(seen.frames); i++)
		seen.frames[i] = s->frames[i];
	if (compare)
		seen.verdict = oracle_judge(&oracle, start, s);
	unwind_done(s);
}

/* Walk as a hook would, and compare. */
static UNUSED NOINLINE void check(void)
{
	ORACLE_START(start);

	look(&start, true);
}

/* The same where other unwinders would read what they must not. */
static UNUSED NOINLINE void check_alone(void)
{
	ORACLE_START(start);

	look(&start, false);
}

static UNUSED NOINLINE int recurse(int n, void (*f)(void))
{
	int r = 1;

	if (n)
		r += recurse(n - 1, f);
	else
		f();
	__asm__ volatile("" : "+r"(r));
	return r;
}
