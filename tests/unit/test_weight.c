/* tests/unit/test_weight.c - integer weights against libm's long double, over sizes and intervals. */
#include <math.h>

#include <criterion/criterion.h>

#include "common/abi.h"
#include "common/weight.h"

static const uint64_t sizes[] = { 0,       1,        8,        16,         198,        1024,
				  4095,    4096,     65536,    524287,     524288,     524289,
				  1048576, 10485760, 1u << 30, 1ull << 33, 1ull << 40, 1ull << 47 };
static const uint32_t rates[] = { 2, 3, 16, 64, 1000, 4096, 65536, 524288, 1u << 20, 1u << 27, ABI_MAX_RATE };

static long double p_of(uint64_t size, uint32_t rate)
{
	return -expm1l(-(long double)(size ? size : 1) / rate);
}

Test(weight_of, equals_one_over_p)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(rates); k++) {
			struct weight w = weight_of(sizes[i], rates[k]);
			long double p = p_of(sizes[i], rates[k]);
			long double count = w.count / 65536.0L, bytes = w.bytes / 256.0L;

			cr_expect_leq(fabsl(count - 1 / p), 1e-6L / p + 0.5L / 65536, "Z=%lu T=%u", sizes[i],
				      rates[k]);
			cr_expect_leq(fabsl(bytes - sizes[i] / p), 1e-6L * sizes[i] / p + 0.5L / 256, "Z=%lu T=%u",
				      sizes[i], rates[k]);
		}
	}
}

Test(weight_of, gives_the_variance_terms)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(rates); k++) {
			struct weight w = weight_of(sizes[i], rates[k]);
			long double p = p_of(sizes[i], rates[k]), z = sizes[i];
			long double var = (1 - p) / (p * p);

			/* From 30 fractional bits of 1/p and of 1/p - 1, and whole units at the end. */
			long double fine = 1e-6L * var + 4 / p * 0x1p-30L;

			cr_expect(w.var_count == UINT64_MAX ||
					  fabsl(w.var_count / 256.0L - var) <= fine + 1 / 256.0L,
				  "Z=%lu T=%u", sizes[i], rates[k]);
			cr_expect_leq(fabsl(w.var_bytes - z * z * var), z * z * fine + (z + rates[k]) / 64.0L + 1,
				      "Z=%lu T=%u", sizes[i], rates[k]);
		}
	}
}

/* 1 MiB at T = 512 KiB: p = 0.86, so one object's variance is a small fraction, and must not be cut to nothing. */
Test(weight_of, keeps_the_variance_of_nearly_certain_samples)
{
	struct weight w = weight_of(1 << 20, 1 << 19);

	cr_assert_float_eq(w.var_count / 256.0, 0.1810, 0.004);
	cr_assert_float_eq(w.var_bytes / 0x1p40, 0.1810, 0.0001);
	cr_assert_eq(weight_of(1, ABI_MAX_RATE).var_count, UINT64_MAX, "saturated, not wrapped");
}

Test(weight_of, is_exact_at_rate_one)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct weight w = weight_of(sizes[i], 1);

		cr_expect_eq(w.count, 1u << WEIGHT_COUNT_SHIFT);
		cr_expect_eq(w.bytes, sizes[i] << WEIGHT_BYTES_SHIFT);
		cr_expect_eq(w.var_count, 0);
		cr_expect_eq(w.var_bytes, 0);
	}
	cr_expect_eq(weight_of(100, 0).count, weight_of(100, 1).count, "0 is taken as 1");
}

/* The mean over a sampling experiment: p * weight = 1, whatever Z; the identity that makes the estimate unbiased.
 */
Test(weight_of, never_loses_or_gains_around_the_interval)
{
	for (uint64_t z = 524288 - 64; z <= 524288 + 64; z++) {
		long double bytes = weight_of(z, 524288).bytes / 256.0L * p_of(z, 524288);

		cr_assert_leq(fabsl(bytes - z), 0.01L, "Z=%lu", z);
	}
}
