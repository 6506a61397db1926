/* preload/rule.h - how to get from one frame to its caller: what the CFI says about one code address, in 8 bytes.
 *
 * Compiled by cfi.c, kept by rules.c, applied by unwind.c.  A rule is a pure function of the code address as long
 * as the module at that address stays loaded.  Included by arch_*.h, which says how wide its fields are. */
#pragma once

#include <stdbool.h>
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

/* From the lowest bit: slot, lone_ra, kind, offset; the cache keeps the low bits of this word, so what varies most
 * in size comes last.  All in words of memory.  The slot is counted downwards from the CFA: the word at CFA - 8 n
 * holds the caller's frame pointer; 0 = register untouched.  lone_ra (aarch64): it holds the return address
 * instead, and the frame pointer is untouched. */
struct rule {
	int64_t word;
};

#define RULE_LONE_BIT ARCH_RULE_FP_BITS
#define RULE_KIND_BIT (RULE_LONE_BIT + 1)
#define RULE_CFA_BIT (RULE_KIND_BIT + 4)

static inline struct rule rule_make(enum rule_kind kind, int64_t cfa, uint32_t slot, bool lone_ra)
{
	return (struct rule){ (int64_t)((uint64_t)cfa << RULE_CFA_BIT | (uint64_t)kind << RULE_KIND_BIT |
					(uint64_t)lone_ra << RULE_LONE_BIT | slot) };
}

/* Of a kind that has neither offset nor slot. */
static inline struct rule rule_bare(enum rule_kind kind)
{
	return rule_make(kind, 0, 0, false);
}

static inline enum rule_kind rule_kind(struct rule r)
{
	return (enum rule_kind)(r.word >> RULE_KIND_BIT & 15);
}

static inline int64_t rule_cfa(struct rule r)
{
	return r.word >> RULE_CFA_BIT;
}

static inline uint32_t rule_slot(struct rule r)
{
	return (uint32_t)r.word & ((1u << ARCH_RULE_FP_BITS) - 1);
}

static inline bool rule_lone_ra(struct rule r)
{
	return r.word >> RULE_LONE_BIT & 1;
}

/* CFA = register + offset: RULE_SP and RULE_FP, what nearly all rules are. */
static inline bool rule_is_plain(struct rule r)
{
	return (r.word >> RULE_KIND_BIT & 15 & ~(int64_t)(RULE_SP ^ RULE_FP)) == (RULE_SP & RULE_FP);
}

/* Of a plain rule: the register is the frame pointer. */
static inline bool rule_by_fp(struct rule r)
{
	return r.word >> RULE_KIND_BIT & (RULE_SP ^ RULE_FP);
}
