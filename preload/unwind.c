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

#define SLOTS 32u
#define TRIES 8u

/* At the default depth of 127 a slot touches five pages: three for the ends of marks, two from the end of frames to
 * the visits; a sixth where a chain has extra words.  All slots and the rule cache: 1 MiB. */
struct slot {
	alignas(4096) struct chain chain;
	_Atomic uintptr_t owner; /* stack address of the walk inside, 0 = free (R, S) */
	struct unwind_stack stack;
	struct chain_visit visits[CHAIN_FRAMES];
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
	struct rule r = rule_bare(RULE_NONE);

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

	return LIKELY(rule_kind(r) != RULE_NONE) ? r : compile(pc);
}

static inline bool is_code_address(uintptr_t ip)
{
	return ip - 4096 < (1ull << ARCH_VA_BITS) - 4096;
}

static inline bool has_no_cfi(struct rule r)
{
	return rule_kind(r) == RULE_NO_CFI || rule_kind(r) == RULE_NONE;
}

/* Frames of code without CFI are guesses until the walk is back in known code, right after a call. */
static inline bool settles(const struct frame *f, struct rule r)
{
	return !has_no_cfi(r) && arch_follows_call(f->ip);
}

/* Past a frame of any kind. */
static NOINLINE enum step step_any(struct frame *f, struct rule r, struct stack_bounds *b)
{
	switch (rule_kind(r)) {
	case RULE_END:
		return STEP_END;
	case RULE_SIGNAL:
		return frame_step_signal(f, r, b);
	case RULE_UNSOUND:
		return STEP_STOP;
	case RULE_NONE:
	case RULE_NO_CFI:
		return frame_step_fp(f, b);
	default:
		return frame_step(f, r, b);
	}
}

static uint32_t flags_of(enum step last, const struct frame *f, bool foreign)
{
	uint32_t flags = foreign ? ABI_STACK_FOREIGN : 0;

	if (last == STEP_END || (last == STEP_CALLER && f->ip == 0))
		return flags;
	return flags | (last == STEP_CALLER && is_code_address(f->ip) ? ABI_STACK_CAPPED : ABI_STACK_TRUNCATED);
}

/* Steps plain frames into `visits`, from the n-th on: those called, with a rule that is cached and of one of the
 * two kinds that nearly all are of.  Stops before a frame that is not, or not sound, or not below `watch`.  Returns
 * how many there are then.  All of it in registers: a frame costs the latency of two loads, its rule's and its
 * return address's. */
static NOINLINE uint32_t step_plain(struct chain_visit *visits, uint32_t n, uint32_t max_depth, struct frame *from,
				    const struct stack_bounds *b, uintptr_t watch)
{
	const struct stack_bounds bounds = *b;
	struct chain_visit *v = &visits[n], *end = &visits[max_depth];
	struct frame f = { from->ip, from->sp, from->fp, 1 };

	for (; v < end && f.sp < watch; v++) {
		struct chain_visit at = { f.ip, f.sp, f.fp, rules_find(f.ip - 1) };
		enum step s;

		if (LIKELY(rule_kind(at.rule) == RULE_SP))
			s = frame_step(&f, at.rule, &bounds);
		else if (LIKELY(rule_kind(at.rule) == RULE_FP))
			s = frame_step(&f, at.rule, &bounds);
		else
			break;
		if (UNLIKELY(s != STEP_CALLER))
			break;
		*v = at;
	}
	*from = f;
	return (uint32_t)(v - visits);
}

/* From `f` outwards into the slot's visits, until the chain takes over.  `ret` says what is wanted, then how it
 * ended. */
static inline void walk(struct slot *slot, struct frame f, struct chain_end *ret)
{
	const uint32_t max_depth = ret->max_depth;
	struct stack_bounds b = bounds_of(f.sp);
	struct chain_cursor cursor = chain_open(&slot->chain, &b, ret);
	enum step s = STEP_CALLER;
	uint32_t n = 0, certain = 0; /* not 0: frames after so many are guesses */

	while (s == STEP_CALLER) {
		struct rule r;

		if (!certain && f.back && f.sp < cursor.sp)
			n = step_plain(slot->visits, n, max_depth, &f, &b, cursor.sp);
		if (n == max_depth || !is_code_address(f.ip))
			break;
		if (!certain && f.sp >= cursor.sp) {
			if (chain_join(&slot->chain, &cursor, &f, n)) {
				ret->at = cursor.at;
				break;
			}
			continue;
		}
		r = rule_at(&f);
		if (certain && settles(&f, r)) {
			certain = 0;
			continue;
		}
		if (!certain && has_no_cfi(r)) {
			if (f.back && arch_is_signal_return(f.ip))
				r = rule_make(RULE_SIGNAL, ARCH_SIGNAL_SP, 0, false);
			else
				certain = n + 1;
		}
		slot->visits[n++] = (struct chain_visit){ frame_word(&f), f.sp, f.fp, r };
		s = step_any(&f, r, &b);
	}
	if (certain && !(s == STEP_END && certain == n)) {
		n = certain;
		s = STEP_STOP;
	}
	ret->n = n;
	ret->sp = f.sp;
	ret->ip = f.ip;
	ret->high = b.high;
	if (ret->at == CHAIN_FRAMES)
		ret->flags = flags_of(s, &f, b.foreign);
}

/* A slot left behind by a walk of this very thread that never finished: its frame was no higher than ours. */
static bool abandoned(uintptr_t owner, uintptr_t sp)
{
	struct stack_bounds b = bounds_of(owner);

	return !b.foreign && owner <= sp && sp < b.high;
}

static inline bool try_slot(struct slot *s, uintptr_t sp, bool reclaim)
{
	uintptr_t owner = load_relaxed(&s->owner);

	return (owner == 0 || (reclaim && abandoned(owner, sp))) &&
	       cas_acquire(&s->owner, &owner, sp); /* R, pairs with S */
}

static struct slot *try_slots(uintptr_t sp, uint32_t hint, bool reclaim)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		struct slot *s = &walker.slots[(hint + i) % SLOTS];

		if (try_slot(s, sp, reclaim))
			return s;
	}
	return NULL;
}

/* Free slots first: on an alternate stack inside the thread's own, the walk that a signal interrupted looks
 * abandoned.  It would take as many nested walks as there are tries to touch it. */
static NOINLINE struct slot *take_another(uintptr_t sp, uint32_t hint)
{
	struct slot *s = try_slots(sp, hint, false);

	return LIKELY(s) ? s : try_slots(sp, hint, true);
}

static inline struct slot *take_slot(uintptr_t sp, uint32_t hint)
{
	struct slot *s = &walker.slots[hint % SLOTS];

	return LIKELY(try_slot(s, sp, false)) ? s : take_another(sp, hint);
}

int unwind_init(const struct abi_region *region, char **envp)
{
	bounds_init(envp);
	modules_init(region);
	walker.ready = true;
	return 0;
}

const struct unwind_stack *unwind_walk_of(const struct unwind_start *start, uint32_t max_depth, uint32_t hint,
					  uint32_t tid)
{
	struct frame leaf = { start->ip, start->sp, start->fp, 1 };
	struct chain_end end = { .at = CHAIN_FRAMES, .tid = tid };
	struct slot *slot;

	if (!walker.ready || max_depth == 0)
		return NULL;
	slot = take_slot((uintptr_t)__builtin_frame_address(0), hint);
	if (!slot)
		return NULL;
	end.max_depth = max_depth < CHAIN_FRAMES ? max_depth : CHAIN_FRAMES;
	end.epoch = modules_epoch();
	walk(slot, leaf, &end);
	chain_close(&slot->chain, slot->visits, &end, &slot->stack);
	return &slot->stack;
}

void unwind_done(const struct unwind_stack *stack)
{
	struct slot *slot = (struct slot *)((uintptr_t)stack - offsetof(struct slot, stack));

	store_release(&slot->owner, 0); /* S, pairs with R */
}

void unwind_forked(void)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uintptr_t owner = load_relaxed(&walker.slots[i].owner);

		if (owner && bounds_of(owner).foreign)
			store_relaxed(&walker.slots[i].owner, 0);
	}
}

void unwind_modules_changed(void)
{
	if (walker.ready && modules_unloaded())
		rules_forget();
}
