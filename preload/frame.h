/* preload/frame.h - one step of a walk: apply a rule to a frame's registers.
 *
 * Inline, for it is the inner loop.  Reads memory only inside the bounds given, and only aligned words.  Which ones
 * a step read follows from its rule and registers: frame_reads() says it afterwards. */
#pragma once

#include "common/abi.h"
#include "common/compiler.h"
#include "preload/arch.h"
#include "preload/bounds.h"

struct frame {
	uintptr_t ip, sp, fp;
	uintptr_t back; /* 1: ip is a return address, the call is before it; 0: ip is the instruction itself */
};

/* The words a step's outcome rests on, as addresses; 0 = none. */
struct frame_reads {
	uintptr_t ra, fp, cfa;
	bool by_fp; /* the frame pointer register entered the result */
};

enum step {
	STEP_CALLER, /* the frame now is the caller's; there is none if its address is 0 */
	STEP_END,    /* there is no caller */
	STEP_STOP,   /* it cannot be told soundly */
};

/* The frame as it is reported. */
static inline uint64_t frame_word(const struct frame *f)
{
	return f->ip | (f->back ? 0 : ABI_FRAME_EXACT);
}

static inline bool frame_load(const struct stack_bounds *b, uintptr_t at, uintptr_t *ret)
{
	if (UNLIKELY(at < b->low || at > b->high - 8 || at & 7))
		return false;
	*ret = *(const uintptr_t *)at;
	return true;
}

/* The rule's offset, from a register. */
static inline uintptr_t frame_offset(uintptr_t reg, struct rule r)
{
	return reg + (uintptr_t)rule_cfa(r) * 8;
}

/* The CFA must lie above the callee's: this is what ends every walk.  It is a multiple of 8: so are the slots. */
static inline bool frame_cfa(const struct frame *f, struct rule r, const struct stack_bounds *b, uintptr_t *ret)
{
	uintptr_t cfa = frame_offset(rule_kind(r) >= RULE_FP ? f->fp : f->sp, r);

	if (UNLIKELY(rule_kind(r) != RULE_SP && rule_kind(r) != RULE_FP) && !frame_load(b, cfa, &cfa))
		return false;
	*ret = cfa;
	return cfa > f->sp && cfa <= b->high && (cfa & 7) == 0;
}

/* Past an ordinary call frame.  Slots lie below the CFA, so only the lower bound is left to be checked. */
static ALWAYS_INLINE enum step frame_step(struct frame *f, struct rule r, const struct stack_bounds *b)
{
	uintptr_t cfa, ra_slot, fp = f->fp;

	if (UNLIKELY(!frame_cfa(f, r, b, &cfa)))
		return STEP_STOP;
	ra_slot = arch_ra_slot(r, cfa);
	if (UNLIKELY(ra_slot < b->low))
		return STEP_STOP;
	if (UNLIKELY(rule_kind(r) == RULE_AT_FP_CHAIN)) {
		if (!frame_load(b, f->fp, &fp))
			return STEP_STOP;
	} else if (arch_saves_fp(r)) {
		if (UNLIKELY(arch_fp_slot(r, cfa) < b->low))
			return STEP_STOP;
		fp = *(const uintptr_t *)arch_fp_slot(r, cfa);
	}
	*f = (struct frame){ arch_code_address(*(const uintptr_t *)ra_slot), cfa, fp, 1 };
	return STEP_CALLER;
}

/* Past the kernel's signal frame, to the instruction that was interrupted.  A handler on an alternate stack leads
 * back to the thread's own: the kernel wrote the whole frame, so it may be read past the page of a foreign stack.
 */
static inline enum step frame_step_signal(struct frame *f, struct rule r, struct stack_bounds *b)
{
	uintptr_t at = frame_offset(f->sp, r);
	struct frame to = { .back = 0 };
	struct stack_bounds own;

	if (at & 7 || (!b->foreign && (at + ARCH_SIGNAL_FP < b->low || at + ARCH_SIGNAL_IP > b->high - 8)))
		return STEP_STOP;
	to.sp = *(const uintptr_t *)at;
	to.ip = *(const uintptr_t *)(at + ARCH_SIGNAL_IP);
	to.fp = *(const uintptr_t *)(at + ARCH_SIGNAL_FP);
	if (b->foreign) {
		own = bounds_of(to.sp);
		if (own.foreign)
			return STEP_STOP;
		*b = own;
		b->low -= 128; /* the red zone: a register just popped is still said to be saved there */
	} else if (to.sp <= f->sp || to.sp > b->high) {
		return STEP_STOP;
	}
	*f = to;
	return STEP_CALLER;
}

/* By the frame pointer alone, in code without CFI.  What comes of it is a guess until it leads back to known code.
 */
static inline enum step frame_step_fp(struct frame *f, const struct stack_bounds *b)
{
	struct frame to = { .sp = f->fp + 16, .back = 1 };

	/* The loader's entry code, which calls constructors: no CFI, the frame pointer cleared as the ABI asks of
	 * the outermost frame, and nothing above but what the kernel put there. */
	if (f->fp == 0 && f->sp <= b->high && b->high - f->sp < 64)
		return STEP_END;
	if (f->fp < f->sp || !frame_load(b, f->fp, &to.fp) || !frame_load(b, f->fp + 8, &to.ip))
		return STEP_STOP;
	to.ip = arch_code_address(to.ip);
	*f = to;
	return STEP_CALLER;
}

/* What the step of a frame with these registers read, given its rule and the CFA it led to. */
static inline struct frame_reads frame_reads(struct rule r, uintptr_t sp, uintptr_t fp, uintptr_t cfa)
{
	const uintptr_t ra = arch_ra_slot(r, cfa), at = frame_offset(sp, r);
	const uintptr_t slot = arch_saves_fp(r) ? arch_fp_slot(r, cfa) : 0;

	switch (rule_kind(r)) {
	case RULE_SP:
		return (struct frame_reads){ ra, slot, 0, false };
	case RULE_FP:
		return (struct frame_reads){ ra, slot, 0, true };
	case RULE_AT_SP:
		return (struct frame_reads){ ra, slot, at, false };
	case RULE_AT_FP:
		return (struct frame_reads){ ra, slot, frame_offset(fp, r), true };
	case RULE_AT_FP_CHAIN:
		return (struct frame_reads){ ra, fp, frame_offset(fp, r), true };
	case RULE_SIGNAL:
		return (struct frame_reads){ at + ARCH_SIGNAL_IP, at + ARCH_SIGNAL_FP, at, false };
	case RULE_NONE:
	case RULE_NO_CFI:
		return (struct frame_reads){ fp + 8, fp, 0, true };
	default:
		return (struct frame_reads){ 0, 0, 0, false };
	}
}
