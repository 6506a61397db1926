/* preload/cxx_record.c - the cold twins of the operators; see cxx.h, and record.h for what a twin may rely on.
 *
 * What the real operator does when memory runs out is its own affair: new_handler, and an exception that passes
 * through these frames, which have unwind tables and nothing to clean up. */
#include <stdbool.h>

#include "preload/attach.h"
#include "preload/cxx.h"
#include "preload/early.h"
#include "preload/real.h"
#include "preload/record.h"
#include "preload/sampler.h"

/* So many calls in a row must agree before it is believed whether an operator counts by itself: a signal handler
 * that allocates meanwhile looks like one that does. */
#define CONVINCED 3

static _Atomic int32_t verdicts[CXX_NEWS]; /* calls in a row: > 0 it did not count by itself, < 0 it did */

static void learn(uint32_t which, cxx_new *f, bool by_itself)
{
	int32_t was = load_relaxed(&verdicts[which]),
		now = by_itself ? (was < 0 ? was - 1 : -1) : (was > 0 ? was + 1 : 1);

	if (load_relaxed(&cxx.counted_new[which]))
		return;
	store_relaxed(&verdicts[which], now);
	if (now >= CONVINCED)
		store_relaxed(&cxx.counted_new[which], f);
	else if (now <= -CONVINCED)
		store_relaxed(&cxx.forward_new[which], f);
}

/* Call the owner's operator and count its block, unless that was done on the way. */
static void *call_owner(cxx_new *f, size_t size, uintptr_t a, uintptr_t b, uint32_t which,
			const struct unwind_start *at)
{
	bool certain = attach_over(); /* before that nothing is counted, which proves nothing */
	uint64_t left = sampler.left, prng = sampler.prng;
	const void *last = sampler.last;
	bool by_itself;
	void *p = f(size, a, b);

	if (!p)
		return p;
	by_itself = sampler.left != left || sampler.prng != prng || (sampler.last == p && last != p);
	if (certain)
		learn(which, f, by_itself);
	return by_itself ? p : record_count(p, size, at);
}

/* Nobody has operators: a C program that refers to them weakly.  There is nothing that could be thrown. */
static void *compose(size_t size, uintptr_t a, uint32_t which, const struct unwind_start *at)
{
	void *p = which & CXX_ALIGNED ? real.memalign(a, size) : real.malloc(size ? size : 1);

	return record_count(p, size, at);
}

NOINLINE void *record_new(size_t size, uintptr_t a, uintptr_t b, uint32_t which)
{
	struct unwind_start at = CALLER();
	cxx_new *f;

	if (!real_ready())
		return which & CXX_ALIGNED ? early_memalign(a, size) : early_malloc(size);
	f = load_relaxed(&cxx.forward_new[which]);
	if (f)
		return f(size, a, b);
	f = load_relaxed(&cxx.next_new[which]);
	return f ? call_owner(f, size, a, b, which, &at) : compose(size, a, which, &at);
}

NOINLINE void record_delete(void *p, uintptr_t a, uintptr_t b, uint32_t which)
{
	cxx_delete *f;

	if (!p || early_owns(p))
		return;
	if (!real_ready()) {
		real.free(p);
		return;
	}
	f = load_relaxed(&cxx.forward_delete[which]);
	if (f) {
		f(p, a, b);
		return;
	}
	record_forget(p);
	f = load_relaxed(&cxx.counted_delete[which]);
	if (f)
		f(p, a, b);
	else
		real.free(p);
}
