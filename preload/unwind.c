/* preload/unwind.c - walk slots and the walk itself; see unwind.h.
 *
 * A walk takes a slot of static memory by try-lock, so it needs next to no stack and a signal handler in the middle
 * of one simply takes another slot.  Who leaves a walk by siglongjmp or pthread_exit leaves its slot locked: the
 * lock word is the owner's stack address, and a thread that finds an address inside the dead part of its own stack
 * takes the slot over.
 *
 * Letters, for this file only:
 *   cas_acquire(owner, 0 -> me)  (R)     store_release(owner, 0)  (S)
 *     R pairs with S: the next owner sees the slot as its predecessor left it. */
#include "preload/unwind.h"

#include "common/compiler.h"
#include "preload/cfi.h"
#include "preload/chain.h"
#include "preload/frame.h"
#include "preload/modules.h"
#include "preload/rules.h"

#define SLOTS 64u
#define TRIES 8u

struct slot {
	alignas(CACHE_LINE) _Atomic uintptr_t owner; /* stack address of the walk inside, 0 = free (R, S) */
	struct unwind_stack stack;
	struct chain chain;
};

static struct {
	struct slot slots[SLOTS];
	bool ready;
} walker;

/* The rule for `pc` when the cache has none: RULE_NONE if no object is there (not kept: one may be loaded later).
 */
static COLD NOINLINE struct rule compile(uintptr_t pc)
{
	uint32_t generation = rules_generation();
	const struct cfi_image *image = modules_find(pc);
	struct rule r = { .kind = RULE_NONE };

	if (image) {
		r = cfi_rule(image, pc);
		rules_keep(pc, r, generation);
	}
	return r;
}

static inline struct rule rule_at(const struct frame *f)
{
	uintptr_t pc = f->ip - f->back;
	struct rule r = rules_find(pc);

	return LIKELY(r.kind != RULE_NONE) ? r : compile(pc);
}

static inline bool is_code_address(uintptr_t ip)
{
	return ip - 4096 < (1ull << ARCH_VA_BITS) - 4096;
}

/* Frames of code without CFI are guesses until the walk is back in known code, right after a call. */
struct guess {
	bool open;
	uint32_t certain; /* frames known to be right when it was opened */
};

static inline bool settles(const struct frame *f, struct rule r)
{
	return r.kind != RULE_NO_CFI && r.kind != RULE_NONE && arch_follows_call(f->ip);
}

static inline bool is_ordinary(struct rule r)
{
	return (unsigned)r.kind - RULE_SP <= RULE_AT_FP_CHAIN - RULE_SP;
}

/* Past a frame that is no ordinary call, the `n`-th. */
static enum step step_special(struct frame *f, struct rule r, struct stack_bounds *b, struct guess *guess,
			      uint32_t n, struct frame_reads *reads)
{
	*reads = (struct frame_reads){ .ra = 0 };
	switch (r.kind) {
	case RULE_END:
		return STEP_END;
	case RULE_SIGNAL:
		return frame_step_signal(f, r, b, reads);
	case RULE_UNSOUND:
		return STEP_STOP;
	default:
		if (!guess->open)
			*guess = (struct guess){ true, n };
		return frame_step_fp(f, b, reads);
	}
}

static uint32_t flags_of(enum step last, const struct frame *f, bool foreign)
{
	uint32_t flags = foreign ? ABI_STACK_FOREIGN : 0;

	if (last == STEP_END)
		return flags;
	return flags | (last == STEP_CALLER && is_code_address(f->ip) ? ABI_STACK_CAPPED : ABI_STACK_TRUNCATED);
}

/* From `f` outwards into the chain's visits, until the chain takes over. */
static void walk(struct chain *c, struct frame f, uint32_t max_depth, uint32_t epoch, struct chain_end *ret)
{
	struct stack_bounds b = bounds_of(f.sp);
	struct chain_cursor cursor = chain_open(c, &b, epoch, max_depth);
	struct guess guess = { false, 0 };
	enum step s = STEP_CALLER;
	uint32_t n = 0;

	*ret = (struct chain_end){ .at = CHAIN_FRAMES, .epoch = epoch, .max_depth = max_depth };
	ret->high = b.foreign ? 0 : b.high; /* a walk that began on a foreign stack is never joined */
	while (s == STEP_CALLER && is_code_address(f.ip) && n < max_depth) {
		struct chain_visit *v = &c->visits[n];
		struct rule r = rule_at(&f);

		if (UNLIKELY(guess.open) && settles(&f, r))
			guess.open = false;
		if (UNLIKELY(f.sp >= cursor.sp) && !guess.open && chain_join(c, &cursor, f, n)) {
			ret->n = n;
			ret->at = cursor.at;
			return;
		}
		n++;
		v->frame = frame_word(&f);
		v->sp = f.sp;
		v->fp = f.fp;
		s = LIKELY(is_ordinary(r)) ? frame_step(&f, r, &b, &v->reads)
					   : step_special(&f, r, &b, &guess, n, &v->reads);
	}
	if (guess.open) {
		n = guess.certain;
		s = STEP_STOP;
	}
	ret->n = n;
	ret->flags = flags_of(s, &f, b.foreign);
}

/* A slot left behind by a walk of this very thread that never finished: its frame was no higher than ours. */
static bool abandoned(uintptr_t owner, uintptr_t sp)
{
	struct stack_bounds b = bounds_of(owner);

	return !b.foreign && owner <= sp && sp < b.high;
}

static struct slot *take_slot(uintptr_t sp, uint32_t hint)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		struct slot *s = &walker.slots[(hint + i) % SLOTS];
		uintptr_t owner = load_relaxed(&s->owner);

		if ((owner == 0 || abandoned(owner, sp)) &&
		    cas_acquire(&s->owner, &owner, sp)) /* R, pairs with S */
			return s;
	}
	return NULL;
}

int unwind_init(const struct abi_region *region, char **envp)
{
	bounds_init(envp);
	modules_init(region);
	walker.ready = true;
	return 0;
}

const struct unwind_stack *unwind_walk(const struct unwind_start *start, uint32_t max_depth, uint32_t hint)
{
	struct frame leaf = { start->ip, start->sp, start->fp, 1 };
	struct chain_end end;
	struct slot *slot;

	if (!walker.ready || max_depth == 0)
		return NULL;
	slot = take_slot((uintptr_t)__builtin_frame_address(0), hint);
	if (!slot)
		return NULL;
	walk(&slot->chain, leaf, max_depth < CHAIN_FRAMES ? max_depth : CHAIN_FRAMES, modules_epoch(), &end);
	chain_close(&slot->chain, &end, &slot->stack);
	return &slot->stack;
}

void unwind_done(const struct unwind_stack *stack)
{
	struct slot *slot = (struct slot *)((uintptr_t)stack - offsetof(struct slot, stack));

	store_release(&slot->owner, 0); /* S, pairs with R */
}

void unwind_modules_changed(void)
{
	if (walker.ready && modules_unloaded())
		rules_forget();
}
