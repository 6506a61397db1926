/* preload/sampler.h - when to sample: a byte countdown per thread whose gaps are exponential with mean T.
 *
 * Each thread owns its struct sampler in initial-exec TLS, zero at birth; only that thread and its signal handlers
 * touch it, plainly: a handler in between can cost one decrement or repeat one gap, nothing else.  Integers only.
 *
 * A gap is E = ceil(exponential(T)) >= 1 bytes; an allocation of Z = max(size, 1) is sampled iff E <= Z, that is
 * with probability exactly 1 - exp(-Z/T).  `left` holds E - 1, so the hook's whole test is size - 1 < left
 * (unsigned: size 0 looks like the largest size and takes the cold path, which knows Z).
 * T = 1 is exact: left stays 0.  rate 0 = no gap was drawn: `left` only says when to look again. */
#pragma once

#include <stdint.h>

#include "common/compiler.h"

struct sampler {
	uint64_t left; /* bytes that can still be passed unsampled, see above */
	uint64_t prng;
	uint32_t rate; /* T by which `left` was drawn; 0 = none yet */
	uint32_t id;   /* number of this thread, from 1; spreads threads over lanes and walk slots */
};

extern _Thread_local struct sampler sampler;

/* While there is nothing to sample a thread looks again after this many bytes. */
#define SAMPLER_NAP (128u << 20)

/* Entropy for the seeds of all threads.  Once, from the constructor. */
void sampler_init(uint64_t secret);

/* Count an allocation of `size` bytes at interval `rate` (0 = dormant).  `stream` tells processes apart that were
 * forked with one generator.  Returns T if this allocation is to be recorded, else 0. */
uint32_t sampler_take(struct sampler *s, uint64_t size, uint32_t rate, uint32_t stream);

/* Nothing to sample now: look again after `bytes`. */
static inline void sampler_nap(struct sampler *s, uint64_t bytes)
{
	s->left = bytes;
	s->rate = 0;
}

/* -ln(U) for U = x / 2^64, in 2^-56 units; x = 0 counts as 1.  Relative error below 2^-40, where the result is not
 * so small that its last bit is more. */
uint64_t sampler_neg_log(uint64_t x);

/* E - 1 for the uniform random number `x`. */
uint64_t sampler_gap(uint64_t x, uint32_t rate);
