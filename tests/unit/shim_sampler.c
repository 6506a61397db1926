/* tests/unit/shim_sampler.c - the countdown: its gaps are exponential, its inclusion probabilities 1 - exp(-Z/T).
 *
 * Statistics run on fixed seeds, so they cannot flake; their bounds are what a random seed would break with a
 * probability below 1e-6.  Oracle: libm. */
#include <math.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "common/abi.h"
#include "preload/sampler.h"

#define T (512u << 10)
#define N 1000000

static uint64_t next_random(void)
{
	static uint64_t state = 42;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

Test(sampler, logarithm_agrees_with_libm)
{
	cr_expect_eq(sampler_neg_log(0), sampler_neg_log(1));
	for (int i = 0; i < 200000; i++) {
		uint64_t x = next_random() >> (i % 64);
		long double want, got;

		if (i % 3 == 0)
			x = 0 - x; /* near 1, where -ln is small and relative precision is hard */
		if (x == 0)
			continue;
		want = -log1pl(-(18446744073709551616.0L - x) / 18446744073709551616.0L);
		got = sampler_neg_log(x) / 72057594037927936.0L; /* 2^56 */
		cr_assert_leq(fabsl(got - want), want * 1e-12L + 1e-16L, "x = %#lx: %Lg, libm %Lg", x, got, want);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov: P(D sqrt(n) > 2.70) = 2 exp(-2 * 2.70^2) < 1e-6.  Its tails are weak: two binomial counts
 * with bounds at 5 standard deviations (6e-7) look there. */
Test(sampler, gaps_are_exponential)
{
	double *e = malloc(N * sizeof(*e)), d = 0;
	int tiny = 0, huge = 0;

	for (int i = 0; i < N; i++) {
		e[i] = ((double)sampler_gap(next_random(), T) + 0.5) / T;
		tiny += e[i] < 0.001;
		huge += e[i] > 7;
	}
	qsort(e, N, sizeof(*e), by_value);
	for (int i = 0; i < N; i++)
		d = fmax(d, fmax(fabs((double)(i + 1) / N + expm1(-e[i])), fabs((double)i / N + expm1(-e[i]))));
	cr_expect_lt(d * sqrt(N), 2.70, "KS statistic %g", d * sqrt(N));
	cr_expect_lt(fabs(tiny + N * expm1(-0.001)), 5 * sqrt(N * 0.001));
	cr_expect_lt(fabs(huge - N * exp(-7)), 5 * sqrt(N * exp(-7)));
	free(e);
}

static void expect_inclusion(const uint64_t *sizes, unsigned n_sizes, uint32_t rate)
{
	uint64_t hits[16] = { 0 };
	struct sampler s = { 0 };

	for (int i = 0; i < N; i++) {
		unsigned k = next_random() % n_sizes;
		uint32_t due = sampler_take(&s, sizes[k], rate, 1);

		cr_assert(due == 0 || due == rate);
		hits[k] += due != 0;
	}
	for (unsigned k = 0; k < n_sizes; k++) {
		double n = (double)N / n_sizes, p = -expm1(-(sizes[k] ? (double)sizes[k] : 1) / rate);

		/* n itself is binomial, which leaves np as the variance. */
		cr_expect_lt(fabs((double)hits[k] - n * p), 5 * sqrt(n * p),
			     "T %u, size %lu: %lu hits, expected %g", rate, sizes[k], hits[k], n * p);
	}
}

/* Interleaved in one thread: zero, small next to big, just around T, where other profilers were wrong. */
Test(sampler, includes_each_size_with_its_probability)
{
	static const uint64_t around[] = { 0, 1, 16, 16, 100, 1024, 4095, 4096, 4097, 16384 };
	static const uint64_t tiny[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }; /* off by one byte would show */

	expect_inclusion(around, ARRAY_SIZE(around), 4096);
	expect_inclusion(tiny, ARRAY_SIZE(tiny), 4);
	expect_inclusion(tiny, ARRAY_SIZE(tiny), 2);
}

Test(sampler, has_no_bias_for_the_first_allocation_of_a_thread)
{
	const int threads = 200000;
	const double p = -expm1(-0.25);
	int hits = 0;

	for (int i = 0; i < threads; i++) {
		struct sampler s = { 0 }; /* always at the same address, as recycled thread stacks are */

		hits += sampler_take(&s, T / 4, T, 1) != 0;
	}
	cr_expect_lt(fabs(hits - threads * p), 5 * sqrt(threads * p * (1 - p)), "%d of %d", hits, threads);
}

Test(sampler, takes_every_allocation_at_rate_1)
{
	struct sampler s = { 0 };

	for (uint64_t size = 0; size < 1000; size++) {
		cr_assert_eq(sampler_take(&s, size, 1, 1), 1);
		cr_assert_eq(s.left, 0, "the hook's test must send the next one here, whatever its size");
	}
}

Test(sampler, survives_the_largest_request)
{
	struct sampler s = { 0 };

	cr_expect_eq(sampler_take(&s, SIZE_MAX, T, 1), T);
	cr_expect_lt(s.left + s.beyond, 64ull * T);
	cr_expect_eq(sampler_take(&s, SIZE_MAX - 1, ABI_MAX_RATE, 1), T);
	cr_expect_eq(sampler_take(&s, SIZE_MAX, UINT32_MAX, 1), ABI_MAX_RATE);
	cr_expect_eq(sampler_take(&s, SIZE_MAX, T, 1), ABI_MAX_RATE, "more than the most is the most");
}

Test(sampler, naps_while_dormant_and_wakes_up)
{
	struct sampler s = { 0 };
	int hits = 0;

	cr_assert_eq(sampler_take(&s, 100, 0, 1), 0);
	cr_assert_eq(s.left, SAMPLER_LOOK);
	for (uint64_t passed = 0; passed < SAMPLER_LOOK; passed += 1 << 20)
		cr_assert_eq(sampler_take(&s, 1 << 20, T, 1), 0, "still asleep");
	for (int i = 0; i < 100; i++)
		hits += sampler_take(&s, 1 << 20, T, 1) == T;
	cr_expect_gt(hits, 50, "86 expected");
}

/* The weight must use the T that the gap was drawn with, or a change of T would bias what it catches. */
Test(sampler, tells_the_rate_of_the_gap_that_ended)
{
	struct sampler s = { 0 };

	sampler_take(&s, 1, T, 1);
	cr_expect_eq(sampler_take(&s, 64ull * T, 4096, 1), T);
	cr_expect_eq(sampler_take(&s, 64ull * T, 0, 1), 4096);
	cr_expect_eq(sampler_take(&s, 1000, T, 1), 0, "dormant: no gap was drawn");
}

/* T may be anything before: a thread with a gap of a gigabyte must not allocate a gigabyte until it sees. */
Test(sampler, notices_another_rate_within_one_look)
{
	for (int i = 0; i < 100; i++) {
		struct sampler s = { 0 };
		uint64_t passed = 0;

		sampler_take(&s, 1, ABI_MAX_RATE, 1);
		while (s.left >= 64) { /* what the hook does */
			s.left -= 64;
			passed += 64;
		}
		cr_assert_leq(passed, SAMPLER_LOOK);
		sampler_take(&s, 64, 1, 1); /* it looks; judged by the old gap */
		cr_assert_eq(s.rate, 1);
		cr_assert_eq(sampler_take(&s, 64, 1, 1), 1);
	}
}

/* A look that finds nothing new must not shorten or lengthen the gap. */
Test(sampler, passes_as_many_bytes_whatever_the_looks)
{
	struct sampler s = { 0 };
	uint64_t gap, passed = 0;

	do
		sampler_take(&s, 64ull * ABI_MAX_RATE, ABI_MAX_RATE, 1);
	while (s.beyond < 3 * SAMPLER_LOOK);
	gap = s.left + s.beyond;
	while (s.left + s.beyond > 0) {
		uint64_t z = 1 + next_random() % (1 << 19);

		if (z > s.left + s.beyond)
			z = s.left + s.beyond;
		passed += z;
		if (z <= s.left)
			s.left -= z;
		else
			cr_assert_eq(sampler_take(&s, z, ABI_MAX_RATE, 1), 0);
		cr_assert_leq(s.left, SAMPLER_LOOK);
	}
	cr_expect_eq(passed, gap);
	cr_expect_eq(sampler_take(&s, 1, ABI_MAX_RATE, 1), ABI_MAX_RATE);
}

Test(sampler, knows_the_last_allocation_of_its_thread)
{
	struct sampler s = { 0 };
	int a, b;

	do
		sampler_take(&s, T, T, 1);
	while (s.left < 100);
	sampler_remember(&s, &a);
	cr_expect(sampler_was_last(&s, &a));
	cr_expect_not(sampler_was_last(&s, &b));
	s.left -= 1; /* the hook let one pass */
	cr_expect_not(sampler_was_last(&s, &a));
	sampler_take(&s, 8, 1, 1);
	sampler_take(&s, 8, 1, 1);
	sampler_remember(&s, &a);
	cr_expect(sampler_was_last(&s, &a), "at T = 1 the countdown stands still");
	sampler_take(&s, 8, 1, 1);
	cr_expect_not(sampler_was_last(&s, &a));
}

Test(sampler, draws_another_stream_in_another_process)
{
	struct sampler a = { 0 }, b;
	int same = 0;

	sampler_take(&a, 1, T, 1);
	b = a;
	for (int i = 0; i < 100; i++) {
		sampler_take(&a, 64ull * T, T, 1);
		sampler_take(&b, 64ull * T, T, 2);
		same += a.left + a.beyond == b.left + b.beyond;
	}
	cr_expect_leq(same, 1);
}

Test(sampler, seeds_threads_apart)
{
	uint64_t first[64];

	for (int i = 0; i < 64; i++) {
		struct sampler s = { 0 };

		sampler_take(&s, 64ull * T, T, 1);
		first[i] = s.left + s.beyond;
		for (int k = 0; k < i; k++)
			cr_assert_neq(first[k], first[i]);
	}
}
