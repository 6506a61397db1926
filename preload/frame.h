/* preload/frame.h - one step of a walk: apply a rule to a frame's registers.
 *
 * Inline, for it is the inner loop.  Reads memory only inside the bounds given, and only aligned words.  Each step
 * says which words its outcome rests on. */
#pragma once

#include "common/abi.h"
#include "common/compiler.h"
#include "preload/arch.h"
#include "preload/bounds.h"

struct frame {
	uintptr_t ip, sp, fp;
	uintptr_t back; /* 1: ip is a return address, the call is before it; 0: ip is the instruction itself */
};

/* Addresses of the words a step read; 0 = none. */
struct frame_reads {
	uintptr_t ra, fp, cfa;
	bool by_fp; /* the frame pointer it had entered the result */
};

enum step {
	STEP_CALLER, /* the frame now is the caller's */
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
	return reg + (uintptr_t)((intptr_t)r.cfa * 8);
}

/* The CFA must lie above the callee's: this is what ends every walk. */
static inline bool frame_cfa(const struct frame *f, struct rule r, const struct stack_bounds *b,
			     struct frame_reads *reads, uintptr_t *ret)
{
	uintptr_t cfa;

	reads->by_fp = r.kind >= RULE_FP;
	reads->cfa = 0;
	cfa = frame_offset(reads->by_fp ? f->fp : f->sp, r);
	if (UNLIKELY(r.kind != RULE_SP && r.kind != RULE_FP)) {
		reads->cfa = cfa;
		if (!frame_load(b, reads->cfa, &cfa))
			return false;
	}
	*ret = cfa;
	return cfa > f->sp && cfa <= b->high;
}

/* Past an ordinary call frame. */
static inline enum step frame_step(struct frame *f, struct rule r, const struct stack_bounds *b,
				   struct frame_reads *reads)
{
	uintptr_t cfa, ra, fp = f->fp;

	if (UNLIKELY(!frame_cfa(f, r, b, reads, &cfa)))
		return STEP_STOP;
	reads->ra = arch_ra_slot(&r, cfa);
	reads->fp = r.kind == RULE_AT_FP_CHAIN ? fp : arch_fp_slot(&r, cfa);
	if (UNLIKELY(!frame_load(b, reads->ra, &ra) || (reads->fp && !frame_load(b, reads->fp, &fp))))
		return STEP_STOP;
	*f = (struct frame){ arch_code_address(ra), cfa, fp, 1 };
	return LIKELY(f->ip) ? STEP_CALLER : STEP_END;
}

/* Past the kernel's signal frame, to the instruction that was interrupted.  A handler on an alternate stack leads
 * back to the thread's own: the kernel wrote the whole frame, so it may be read past the page of a foreign stack.
 */
static inline enum step frame_step_signal(struct frame *f, struct rule r, struct stack_bounds *b,
					  struct frame_reads *reads)
{
	uintptr_t at = frame_offset(f->sp, r);
	struct frame to = { .back = 0 };
	struct stack_bounds own;

	*reads = (struct frame_reads){ at + ARCH_SIGNAL_IP, at + ARCH_SIGNAL_FP, at, false };
	if (at & 7 || (!b->foreign && (reads->fp < b->low || reads->ra > b->high - 8)))
		return STEP_STOP;
	to.sp = *(const uintptr_t *)at;
	to.ip = *(const uintptr_t *)reads->ra;
	to.fp = *(const uintptr_t *)reads->fp;
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
static inline enum step frame_step_fp(struct frame *f, const struct stack_bounds *b, struct frame_reads *reads)
{
	struct frame to = { .sp = f->fp + 16, .back = 1 };

	*reads = (struct frame_reads){ f->fp + 8, f->fp, 0, true };
	if (f->fp < f->sp || !frame_load(b, reads->fp, &to.fp) || !frame_load(b, reads->ra, &to.ip))
		return STEP_STOP;
	to.ip = arch_code_address(to.ip);
	*f = to;
	return to.ip ? STEP_CALLER : STEP_END;
}
