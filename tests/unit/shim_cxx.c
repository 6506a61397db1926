/* tests/unit/shim_cxx.c - operator new and delete of the built library; tests/hazards/allocators.sh has all of
 * their forms with all allocators. */
#include <math.h>

#include "tests/unit/shim_run.h"

TestSuite(cxx, .init = find_build, .timeout = 60);

/* Of another allocator's operators, one that never calls malloc() and one that does (aligned: jemalloc's goes by
 * the aligned_alloc() that it exports): each block once, in the hook or in its twin.  Bounds at 5.5 standard
 * deviations, six of them: a false alarm in four million runs. */
static void expect_probabilities(const char *behind)
{
	static struct server s;
	static char out[256];

	cr_assert_eq(run_among(&s, 4, "", behind, "tests/victims/tiny_news", out, sizeof(out)), 0);
	uint32_t n = server_drain(&s, events, MAX_EVENTS);

	cr_assert_lt(n, MAX_EVENTS);
	cr_assert_eq(load_relaxed(&s.r.procs[0].spilled), 0);
	for (uint64_t size = 1; size < 8; size += size == 3 ? 2 : 1) {
		double p = -expm1(-(double)size / 4), expected = 8000 * p;
		int hits = count_events(n, size, ABI_EVENT_ALLOC), frees = count_events(n, size, ABI_EVENT_FREE);

		cr_expect_lt(fabs(hits - expected), 5.5 * sqrt(expected * (1 - p)),
			     "size %lu: %d hits, expected %g", size, hits, expected);
		cr_expect_eq(frees, hits, "size %lu", size);
	}
	server_done(&s);
}

Test(cxx, sample_another_allocator_s_operators_with_their_probability)
{
	expect_probabilities(jemalloc());
}

/* Only the generator tells at T = 1 that a block was counted on the way, when it has the address of the last one.
 */
Test(cxx, count_blocks_in_one_place_once_in_exact_mode)
{
	static struct server s;
	static char out[256];
	uint32_t n;

	cr_assert_eq(run_among(&s, 1, "", jemalloc(), "tests/victims/tiny_news wide", out, sizeof(out)), 0);
	n = server_drain(&s, events, MAX_EVENTS);
	cr_assert_lt(n, MAX_EVENTS);
	cr_assert_eq(load_relaxed(&s.r.procs[0].spilled), 0);
	for (uint64_t size = 5; size < 8; size++) {
		cr_expect_eq(count_events(n, size, ABI_EVENT_ALLOC), 8000, "size %lu", size);
		cr_expect_eq(count_events(n, size, ABI_EVENT_FREE), 8000, "size %lu", size);
	}
	server_done(&s);
}

/* A twin takes the return address it finds for the program's: so hooks must jump to it, never call. */
Test(cxx, reach_everything_by_tail_jumps)
{
	static const char *const hooks[] = {
		"_Znwm",
		"_Znam",
		"_ZnwmRKSt9nothrow_t",
		"_ZnwmSt11align_val_t",
		"_ZnamSt11align_val_tRKSt9nothrow_t",
		"_ZdlPv",
		"_ZdaPvm",
		"_ZdlPvSt11align_val_t",
		"_ZdaPvmSt11align_val_t",
	};

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		expect_tail_jumps(hooks[i]);
}

/* In C programs nobody has operators: what was bound to ours before they were taken back is served by malloc(). */
Test(cxx, survive_calls_before_relocation_and_without_a_runtime)
{
	static struct server s;
	static char out[4096];

	cr_expect_eq(
		run_among(&s, 1, "", "tests/victims/operators_before_relocation.so", "/bin/true", out, sizeof(out)),
		0);
	cr_expect_str_eq(out, "survived\n");
	cr_expect_eq(count_events(server_drain(&s, events, MAX_EVENTS), 100, ABI_EVENT_FREE), 10);
	server_done(&s);
}
