/* preload/sampler.c - see sampler.h.
 *
 * -ln(U): with U = m / 2^k and m in [1/2, 1) it is k ln 2 - ln m, and -ln m = 2 atanh((1 - m) / (1 + m)), whose
 * series in s <= 1/3 has s^2 <= 1/9: fourteen terms leave 2^-47.  1 - m is exact, so small results keep their
 * relative precision.  Random numbers: splitmix64, one 64-bit state per thread. */
#include "preload/sampler.h"

#include <assert.h>

#include "common/abi.h"
#include "preload/arch.h"

#define Q 62
#define ONE (1ull << Q)
#define LOG_Q 56
#define LN2 0xb17217f7d1cf7aull /* ln 2 in 2^-56 units */
#define GOLDEN 0x9e3779b97f4a7c15ull

_Thread_local struct sampler sampler;
static_assert(sizeof(sampler) <= 64, "static TLS is scarce");

_Atomic intptr_t sampler_at;

static uint64_t secret;
static _Atomic uint32_t threads;

static uint64_t mul_q(uint64_t a, uint64_t b)
{
	return (uint64_t)(((u128)a * b) >> Q);
}

uint64_t sampler_neg_log(uint64_t x)
{
	static const uint64_t term[] = { ONE,      ONE / 3,  ONE / 5,  ONE / 7,  ONE / 9,  ONE / 11, ONE / 13,
					 ONE / 15, ONE / 17, ONE / 19, ONE / 21, ONE / 23, ONE / 25, ONE / 27 };
	unsigned k = x ? (unsigned)__builtin_clzll(x) : 63;
	uint64_t m = x ? x << k : 1ull << 63, s, s2, sum = 0;

	s = (uint64_t)(((u128)(0 - m) << Q) / (((u128)1 << 64) + m));
	s2 = mul_q(s, s);
	for (unsigned i = ARRAY_SIZE(term); i-- > 0;)
		sum = mul_q(sum, s2) + term[i];
	return k * LN2 + (mul_q(s, sum) >> (Q - LOG_Q - 1));
}

uint64_t sampler_gap(uint64_t x, uint32_t rate)
{
	return rate <= 1 ? 0 : (uint64_t)(((u128)sampler_neg_log(x) * rate) >> LOG_Q);
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void sampler_init(uint64_t entropy)
{
	secret = mix(entropy);
}

/* TLS addresses are recycled, thread numbers are not; the secret differs from run to run. */
static void seed(struct sampler *s)
{
	uint32_t id;

	do
		id = add_relaxed(&threads, 1) + 1;
	while (id == 0); /* 0 means "not seeded" */
	s->prng = mix(mix(secret ^ (uintptr_t)s) ^ id * GOLDEN);
	s->id = id;
}

/* The gap goes on for `gap` bytes: so many of them until the next look. */
static void go_on(struct sampler *s, uint64_t gap)
{
	uint32_t look = s->ending ? 0 : SAMPLER_LOOK;

	s->look = gap < look ? (uint32_t)gap : look;
	s->left = s->look;
	s->beyond = gap - s->look;
}

static void draw(struct sampler *s, uint32_t rate, uint32_t stream)
{
	s->prng += GOLDEN;
	go_on(s, sampler_gap(mix(s->prng ^ mix(stream)), rate));
	s->rate = rate;
}

void sampler_ready(void)
{
	if (UNLIKELY(load_relaxed(&sampler_at) == 0))
		store_release(&sampler_at,
			      (intptr_t)((uintptr_t)&sampler - arch_thread_pointer())); /* Z, see hot.h */
}

/* By memorylessness a gap may be drawn at any moment that was not chosen by what it will hit.  So after a nap, or
 * in a fresh thread, the allocation at hand is tested against the first gap like any other.  When T was changed it
 * is still judged by the gap it ran into, whether or not that ends in it, and the next one by a new gap: to redraw
 * for itself would give it two chances. */
uint32_t sampler_take(struct sampler *s, uint64_t size, uint32_t rate, uint32_t stream)
{
	uint64_t z = size ? size : 1, gap;
	uint32_t due = 0;

	if (UNLIKELY(s->id == 0))
		seed(s);
	s->last = NULL;
	if (rate > ABI_MAX_RATE)
		rate = ABI_MAX_RATE;
	if (s->rate == 1 && rate == 1) { /* all gaps are 0: nothing to draw, but a take must show (cxx_record.c) */
		s->prng += GOLDEN;
		sampler_count(s, z);
		go_on(s, 0);
		return 1;
	}
	if (s->rate == 0 && z <= s->left) {
		s->left -= z;
		return 0;
	}
	sampler_count(s, z);
	if (s->rate == 0 && rate)
		draw(s, rate, stream);
	gap = s->left + s->beyond;
	if (s->rate && z > gap)
		due = s->rate;
	if (rate == 0)
		sampler_nap(s, s->ending ? 0 : SAMPLER_LOOK);
	else if (due || rate != s->rate)
		draw(s, rate, stream);
	else
		go_on(s, gap - z);
	return due;
}

void sampler_forked(struct sampler *s)
{
	sampler_nap(s, 0);
	s->passed = 0;
	s->told = 0;
}

void sampler_end(struct sampler *s)
{
	sampler_count(s, 0);
	s->ending = 1;
	go_on(s, s->left + s->beyond);
	s->last = NULL;
}
