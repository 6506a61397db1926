/* preload/sampler.h - when to sample: a byte countdown per thread whose gaps are exponential with mean T.
 *
 * Each thread owns its struct sampler in initial-exec TLS, zero at birth; only that thread and its signal handlers
 * touch it, plainly: a handler in between can cost one decrement or repeat one gap, nothing else.  Integers only.
 *
 * A gap is E = ceil(exponential(T)) >= 1 bytes; an allocation of Z = max(size, 1) is sampled iff E <= Z, that is
 * with probability exactly 1 - exp(-Z/T).  The bytes that may still pass, E - 1, are `left` + `beyond`: `left`
 * never holds more than SAMPLER_LOOK, so that a thread with a long gap still sees soon that T was changed.  The
 * hook's whole test is Z <= left.  T = 1 is exact: both stay 0.  rate 0 = no gap was drawn: `left` only says when
 * to look again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/abi.h"

struct sampler {
	uint64_t left;   /* bytes that can still be passed before the next look */
	uint64_t beyond; /* bytes of the gap after that look */
	uint64_t prng;
	const void *last; /* sampled block that was this thread's last allocation, if `left` is still `mark` */
	uint64_t passed;  /* bytes allocated up to the last look that the collector was not told of (tally.h) */
	uint32_t look;    /* `left` after the last look: what it lacks since then was allocated */
	uint32_t mark;
	uint32_t rate;    /* T by which the gap was drawn; 0 = none yet */
	uint32_t id;      /* number of this thread, from 1; spreads threads over lanes and walk slots */
	uint32_t told;    /* the holder this thread counts for, or 0 */
	uint16_t writing; /* somebody is at work in the shared region */
	uint16_t ending;  /* the thread's end was seen: from here on it looks at each allocation */
};

extern HIDDEN _Thread_local struct sampler sampler;

/* Where `sampler` is, from the thread pointer; 0 until sampler_ready().  For hooks that may run before relocation.
 */
extern HIDDEN _Atomic intptr_t sampler_at;

/* After so many bytes a thread looks at T again, whatever its gap, and also while there is nothing to sample. */
#define SAMPLER_LOOK ABI_COUNT_STEP

/* Allocations can be forwarded and threads have their `sampler`.  Any thread, any number of times. */
void sampler_ready(void);

/* Entropy for the seeds of all threads.  Once, from the constructor. */
void sampler_init(uint64_t secret);

/* Count an allocation of `size` bytes at interval `rate` (0 = dormant).  `stream` tells processes apart that were
 * forked with one generator.  Returns T if this allocation is to be recorded, else 0. */
uint32_t sampler_take(struct sampler *s, uint64_t size, uint32_t rate, uint32_t stream);

/* All that this thread has allocated is in `passed`: those of before the last look, those since then, and `z`.  A
 * handler that interrupts a hook's test may put `left` back: never below what is true. */
static inline void sampler_count(struct sampler *s, uint64_t z)
{
	s->passed += z + (s->left < s->look ? s->look - s->left : 0);
	s->look = (uint32_t)s->left;
}

/* In the child of fork(): what its parent allocated is its parent's, and siblings would all sample the same
 * allocation. */
void sampler_forked(struct sampler *s);

/* The thread, or the program, ends: who allocates after this is looked at each time. */
void sampler_end(struct sampler *s);

/* Nothing to sample now: look again after `bytes`, at most SAMPLER_LOOK. */
static inline void sampler_nap(struct sampler *s, uint32_t bytes)
{
	s->left = s->look = bytes;
	s->beyond = 0;
	s->rate = 0;
	s->last = NULL;
}

/* `p` has just been sampled. */
static inline void sampler_remember(struct sampler *s, const void *p)
{
	s->mark = (uint32_t)s->left;
	s->last = p;
}

/* Is `p`, a sampled block, the last allocation of this thread?  Every allocation lessens `left`, or goes through
 * sampler_take(). */
static inline bool sampler_was_last(const struct sampler *s, const void *p)
{
	return s->last == p && s->left == s->mark;
}

/* -ln(U) for U = x / 2^64, in 2^-56 units; x = 0 counts as 1.  Relative error below 2^-40, where the result is not
 * so small that its last bit is more. */
uint64_t sampler_neg_log(uint64_t x);

/* E - 1 for the uniform random number `x`. */
uint64_t sampler_gap(uint64_t x, uint32_t rate);
