/* common/weight.c - 1/(1 - exp(-Z/T)) without floating point.
 *
 * x = Z/T.  Small x: the series 1/(1-e^-x) = 1/x + 1/2 + x/12 - x^3/720 + x^5/30240 - x^7/1209600 + ... (Bernoulli
 * numbers; Abramowitz & Stegun 23.1.1), whose first term is an exact division, so nothing cancels.  From x = 1 on:
 * e^-x by a Taylor sum of x/64 and six squarings, in 2^-62 units.  Pure, any thread, no libm. */
#include "common/weight.h"

#include "common/compiler.h"

#define Q 62
#define ONE (1ull << Q)

static uint64_t mul_q(uint64_t a, uint64_t b)
{
	return (uint64_t)(((u128)a * b) >> Q);
}

/* x/12 - x^3/720 + x^5/30240 - x^7/1209600 + x^9/47900160, for x < 1; result in 2^-62 units. */
static uint64_t series_tail(uint64_t x)
{
	uint64_t x2 = mul_q(x, x), x3 = mul_q(x2, x), x5 = mul_q(x3, x2), x7 = mul_q(x5, x2), x9 = mul_q(x7, x2);

	return x / 12 - x3 / 720 + x5 / 30240 - x7 / 1209600 + x9 / 47900160;
}

/* e^-x for x = xq / 2^56, 1 <= x < 64; result in 2^-62 units. */
static uint64_t exp_minus(uint64_t xq)
{
	uint64_t y = xq; /* x / 64 in 2^-62 units: the same bits */
	uint64_t term = ONE, sum = ONE;

	for (unsigned k = 1; k <= 14; k++) {
		term = mul_q(term, y) / k;
		sum = k & 1 ? sum - term : sum + term;
	}
	for (int i = 0; i < 6; i++)
		sum = mul_q(sum, sum);
	return sum;
}

/* 1/p - 1 in 2^-62 units relative to `*whole` = floor part; kept as (numerator, shift) free 128-bit fixed point. */
static u128 inverse_p(uint64_t z, uint32_t rate)
{
	/* 1/p in 2^-62 units; up to 2^30 * 2^62, hence 128 bits. */
	if (z < rate) {
		uint64_t x = (uint64_t)(((u128)z << Q) / rate);

		return (((u128)rate << Q) + z / 2) / z + ONE / 2 + series_tail(x);
	}
	if (z / rate >= 44) /* e^-44 < 2^-63 */
		return ONE;
	uint64_t e = exp_minus((uint64_t)(((u128)z << 56) / rate));

	return ((u128)ONE << Q) / (ONE - e);
}

struct weight weight_of(uint64_t size, uint32_t rate)
{
	uint64_t z = size ? size : 1;
	u128 w, excess, var;
	struct weight r;

	if (rate <= 1)
		return (struct weight){ .count = 1ull << WEIGHT_COUNT_SHIFT, .bytes = size << WEIGHT_BYTES_SHIFT };
	w = inverse_p(z, rate);
	r.count = (uint64_t)((w + (1ull << (Q - WEIGHT_COUNT_SHIFT - 1))) >> (Q - WEIGHT_COUNT_SHIFT));
	/* Z/p: w has up to 92 bits and z up to 56, so split w to stay inside 128. */
	u128 hi = w >> Q, lo = w & (ONE - 1);

	r.bytes = size ? (uint64_t)(((hi * size) << WEIGHT_BYTES_SHIFT) +
				    ((lo * size + (1ull << (Q - WEIGHT_BYTES_SHIFT - 1))) >>
				     (Q - WEIGHT_BYTES_SHIFT)))
		       : 0;
	/* (1-p)/p^2 = w (w - 1), from 2^-30 units. */
	w >>= Q - 30;
	excess = w - (1ull << 30);
	var = (w * excess + ((u128)1 << (59 - WEIGHT_VARC_SHIFT))) >> (60 - WEIGHT_VARC_SHIFT);
	r.var_count = var < UINT64_MAX ? (uint64_t)var : UINT64_MAX;
	/* Z w and Z (w - 1) in 1/256 bytes, each below 2^66. */
	r.var_bytes = (uint64_t)((((u128)size * w >> 22) * ((u128)size * excess >> 22)) >> 16);
	return r;
}
