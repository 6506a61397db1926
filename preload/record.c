/* preload/record.c - see record.h.
 *
 * Order, per block: real allocation, stack, live table, event, return.  Per free: out of the table, event, real
 * free; so an address the allocator hands out again is never confused with its former life.  A stale entry found
 * under a fresh address was freed behind our back (an entry point nobody hooks): its free is reported then.
 * What the real call does to errno stands: nothing here touches it. */
#include "preload/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/stacktab.h"
#include "preload/attach.h"
#include "preload/child.h"
#include "preload/early.h"
#include "preload/emit.h"
#include "preload/live.h"
#include "preload/real.h"
#include "preload/sampler.h"
#include "preload/tally.h"
#include "preload/unwind.h"

#define PAGE 4096u

/* The stack of the last walk again: no need to look it up. */
static uint32_t id_of(const struct abi_region *r, const struct unwind_stack *w, uint32_t tid)
{
	uint32_t id = w->id ? *w->id : 0;

	if (id)
		return id;
	id = stack_intern_of(r, w->frames, w->n, tid, w->flags, w->epoch, w->hash);
	if (w->id)
		*w->id = id;
	return id;
}

/* How many frames: a thread's id takes the place of one. */
static uint32_t depth(const struct abi_region *r, uint32_t tid)
{
	uint32_t max = load_relaxed(&r->control->max_depth);

	return tid && max >= ABI_MAX_DEPTH ? ABI_MAX_DEPTH - 1 : max;
}

static uint32_t stack_of(const struct abi_region *r, struct abi_proc *proc, const struct unwind_start *at)
{
	const uint32_t tid = load_relaxed(&r->control->threads) ? attach_tid() : 0;
	const struct unwind_stack *w = unwind_walk_of(at, depth(r, tid), sampler.id, tid);
	uint32_t id = 0;

	if (w) {
		id = id_of(r, w, tid);
		if (w->flags & ABI_STACK_TRUNCATED)
			add_relaxed(&proc->truncated, 1);
		unwind_done(w);
	}
	if (id == 0)
		add_relaxed(&proc->stack_full, 1);
	return id;
}

/* What the event of its free says about the sampled block `p` beyond its alloc. */
static uint8_t ending(const void *p)
{
	return sampler_was_last(&sampler, p) ? ABI_EVENT_TEMPORARY : 0;
}

/* Take the entry of `p` out and report its end; `holder` 0 = only take it out. */
static void forget(uint32_t holder, const void *p)
{
	struct live_ref ref;

	if (!live_maybe(p) || !live_detach(p, &ref))
		return;
	holder = child_end_of(holder, &ref);
	if (holder)
		emit_free(holder, &ref.entry, ending(p));
	live_drop(&ref);
}

/* The entry of `p`, in place of the one it may still have. */
static NOINLINE bool replace(uint32_t holder, const void *p, const struct live_entry *e)
{
	forget(holder, p);
	return live_insert(p, e);
}

static NOINLINE void sample(uint32_t holder, const void *p, size_t size, uint32_t rate,
			    const struct unwind_start *at)
{
	const struct abi_region *r = &attach.region;
	struct abi_proc *proc = &r->procs[holder - 1];
	struct live_entry e = { .size = size, .rate = rate, .born_ns = attach_now(), .mark = child_mark() };
	struct live_home home;

	home = live_expect(p, rate);
	e.stack = stack_of(r, proc, at);
	if (LIKELY(live_put(home, p, &e)) || replace(holder, p, &e)) {
		emit_alloc(holder, &e);
		sampler_remember(&sampler, p);
	} else {
		add_relaxed(&proc->untracked, 1);
	}
}

/* Count the allocation `p` of `size` bytes, and record it if a gap ends in it.  A failed one is no allocation. */
static void *count(void *p, size_t size, const struct unwind_start *at)
{
	uint32_t holder, rate;
	bool over;

	if (!p)
		return p;
	sampler_ready();
	over = attach_over(); /* before the look at the word: passive for good only if it was passive after this */
	holder = attach_holder();
	if (!holder && !child_is_fresh() && !(holder = attach_holder())) {
		sampler_nap(&sampler, over ? SAMPLER_LOOK : 0);
		return p;
	}
	rate = sampler_take(&sampler, size, load_relaxed(&attach.region.control->rate), attach.stream);
	if (rate && !holder)
		holder = child_begin();
	if (!holder)
		return p;
	tally_settle(holder);
	if (rate)
		sample(holder, p, size, rate, at);
	return p;
}

NOINLINE void *record_malloc(size_t size)
{
	struct unwind_start at = CALLER();

	if (!real_ready())
		return early_malloc(size);
	return count(real.malloc(size), size, &at);
}

NOINLINE void *record_calloc(size_t n, size_t size)
{
	struct unwind_start at = CALLER();
	size_t bytes;

	if (!real_ready())
		return early_calloc(n, size);
	if (__builtin_mul_overflow(n, size, &bytes))
		return real.calloc(n, size); /* fails as it should */
	return count(real.calloc(n, size), bytes, &at);
}

/* A block of the arena moves to the real allocator; NULL becomes one. */
static void *replace_early(void *p, size_t size)
{
	unsigned char *to;

	if (p && size == 0)
		return NULL;
	to = real.malloc(size);
	for (size_t i = 0; p && to && i < size && i < early_size(p); i++)
		to[i] = ((const unsigned char *)p)[i];
	return to;
}

static void *reallocate(void *p, size_t size, const struct unwind_start *at)
{
	struct live_ref old;
	bool sampled;
	void *to;

	if (!p || early_owns(p))
		return real_ready() ? count(replace_early(p, size), size, at) : early_realloc(p, size);
	sampled = live_maybe(p) && live_detach(p, &old);
	to = real.realloc(p, size);
	if (!to && size != 0) {
		if (sampled)
			live_restore(&old);
		return NULL;
	}
	if (sampled) {
		uint32_t holder = child_end_of(attach_holder(), &old);

		if (holder)
			emit_free(holder, &old.entry, ending(p));
		live_drop(&old);
	}
	return count(to, size, at);
}

NOINLINE void *record_realloc(void *p, size_t size)
{
	struct unwind_start at = CALLER();

	return reallocate(p, size, &at);
}

/* libc's reallocarray() calls the realloc() that the program is bound to.  When that is not ours but one in front
 * of us, the block is not for our realloc either: so a passive process gets libc's, or whatever it would get. */
NOINLINE void *record_reallocarray(void *p, size_t n, size_t size)
{
	struct unwind_start at = CALLER();
	size_t bytes;
	bool overflow = __builtin_mul_overflow(n, size, &bytes);

	if (!real_ready())
		return overflow ? NULL : reallocate(p, bytes, &at);
	if (overflow || (!attach_holder() && !child_is_fresh()))
		return real.reallocarray(p, n, size);
	return reallocate(p, bytes, &at);
}

NOINLINE void record_free(void *p)
{
	if (!p || early_owns(p))
		return;
	forget(attach_holder(), p);
	real.free(p);
}

NOINLINE void *record_memalign(size_t align, size_t size)
{
	struct unwind_start at = CALLER();

	if (!real_ready())
		return early_memalign(align, size);
	return count(real.memalign(align, size), size, &at);
}

NOINLINE void *record_aligned_alloc(size_t align, size_t size)
{
	struct unwind_start at = CALLER();

	if (!real_ready())
		return early_memalign(align, size);
	return count(real.aligned_alloc(align, size), size, &at);
}

NOINLINE int record_posix_memalign(void **ret, size_t align, size_t size)
{
	struct unwind_start at = CALLER();
	int r;

	if (!real_ready()) {
		void *p = early_memalign(align, size);

		if (p)
			*ret = p;
		return p ? 0 : ENOMEM;
	}
	r = real.posix_memalign(ret, align, size);
	if (r == 0)
		count(*ret, size, &at);
	return r;
}

NOINLINE void *record_valloc(size_t size)
{
	struct unwind_start at = CALLER();

	if (!real_ready())
		return early_memalign(PAGE, size);
	return count(real.valloc(size), size, &at);
}

/* What pvalloc() hands out is the size rounded up to pages: that is what was allocated. */
NOINLINE void *record_pvalloc(size_t size)
{
	struct unwind_start at = CALLER();

	if (!real_ready())
		return early_memalign(PAGE, size);
	return count(real.pvalloc(size), (size + PAGE - 1) & ~(size_t)(PAGE - 1), &at);
}

void *record_count(void *p, size_t size, const struct unwind_start *at)
{
	return count(p, size, at);
}

void record_forget(const void *p)
{
	forget(attach_holder(), p);
}
