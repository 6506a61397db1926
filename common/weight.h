/* common/weight.h - what one sampled allocation stands for: the Horvitz-Thompson weight, in integers.
 *
 * An allocation of Z bytes is sampled at mean interval T with p = 1 - exp(-Z/T); it stands for 1/p objects and
 * Z/p bytes.  Integers, so that the shim (which must not touch the FP state) and the collector compute the very
 * same number, and a free subtracts exactly what its alloc added.  Z = 0 is weighed as 1 byte of probability but
 * 0 bytes of space.  T = 1 is exact mode: every allocation is sampled, p = 1.
 * Variance terms (1-p)/p^2 per object count and Z^2 (1-p)/p^2 per bytes estimate a bucket's standard error. */
#pragma once

#include <stdint.h>

#define WEIGHT_COUNT_SHIFT 16 /* counts are in 1/65536 objects */
#define WEIGHT_BYTES_SHIFT 8  /* bytes are in 1/256 bytes */
#define WEIGHT_VARC_SHIFT 8   /* count variance is in 1/256 objects^2: where p is near 1 it is a small fraction */

struct weight {
	uint64_t count;     /* 1/p << 16 */
	uint64_t bytes;     /* Z/p << 8 */
	uint64_t var_count; /* (1-p)/p^2 << 8; UINT64_MAX where that overflows: T/Z > 2^28 */
	uint64_t var_bytes; /* Z^2 (1-p)/p^2, bytes^2; below T^2 */
};

/* `rate` is T in 1..ABI_MAX_RATE (0 is taken as 1); any `size` up to 2^56.  Relative error of count and bytes
 * below 1e-6 (plus half a unit of the fixed point). */
struct weight weight_of(uint64_t size, uint32_t rate);
