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

			cr_expect_leq(fabsl(w.var_count - var), 1e-6L * var + 1, "Z=%lu T=%u", sizes[i], rates[k]);
			/* Whole bytes on both factors: off by at most their sum, and by one unit. */
			cr_expect_leq(fabsl(w.var_bytes * 256.0L - z * z * var),
				      1e-6L * z * z * var + 2 * (z + rates[k]) + 256, "Z=%lu T=%u", sizes[i],
				      rates[k]);
		}
	}
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
