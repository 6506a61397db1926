/* preload/rule.h - how to get from one frame to its caller: what the CFI says about one code address, in 8 bytes.
 *
 * Compiled by cfi.c, kept by rules.c, applied by unwind.c.  A rule is a pure function of the code address as long
 * as the module at that address stays loaded. */
#pragma once

#include <assert.h>
#include <stdint.h>

enum rule_kind {
	RULE_NONE = 0,    /* no rule: an empty cache entry */
	RULE_SP,          /* CFA = sp + 8 cfa */
	RULE_AT_SP,       /* CFA = *(sp + 8 cfa) */
	RULE_FP,          /* CFA = fp + 8 cfa; the kinds from here to RULE_AT_FP_CHAIN go by fp */
	RULE_AT_FP,       /* CFA = *(fp + 8 cfa): a function that realigned its stack */
	RULE_AT_FP_CHAIN, /* the same, and the caller's fp is at *fp */
	RULE_SIGNAL,      /* the kernel's signal frame: the interrupted sp is at *(sp + 8 cfa) */
	RULE_END,         /* outermost frame: CFI declares the return address undefined */
	RULE_NO_CFI,      /* an object is here but no CFI for this address */
	RULE_UNSOUND,     /* CFI that no rule expresses, or that makes no sense: the walk stops */
};

/* All in words.  Slots are counted downwards from the CFA: the word is at CFA - 8 n; 0 = register untouched. */
struct rule {
	int32_t cfa;     /* offset */
	uint16_t fp;     /* where the caller's frame pointer was saved */
	uint8_t kind;    /* enum rule_kind */
	uint8_t lone_ra; /* aarch64: `fp` names the return address's slot, and the frame pointer is untouched */
};
static_assert(sizeof(struct rule) == 8, "a rule is one word");
