/* preload/rules.h - the rule cache: code address -> rule, one per process, of fixed size.
 *
 * Any thread, also in signal handlers and forked children; lock-free, one word per entry, so a reader sees a whole
 * rule or none.  Never fails: what does not fit is compiled again at its next use.
 *
 * An address (ARCH_VA_BITS of it) times an odd constant is a bijection: the top bits of the product choose a set of
 * 4 entries, half a cache line, the other 34 are the tag.  So set and tag together are the address: no false match
 * is possible.  The 30 bits that remain of the word, on top, are the low ones of the rule's: one shift gets it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/atomics.h"
#include "common/compiler.h"
#include "preload/arch.h"

#define RULES_TAG_BITS 34
#define RULES_SET_BITS (ARCH_VA_BITS - RULES_TAG_BITS)
#define RULES_WAYS 4u

extern HIDDEN _Atomic uint64_t rules_table[1u << RULES_SET_BITS][RULES_WAYS];

/* The address's bits on top, mixed; what was above ARCH_VA_BITS is gone. */
static inline uint64_t rules_key(uintptr_t pc)
{
	return pc * (0x9e3779b97f4a7c15ull << (64 - ARCH_VA_BITS));
}

/* The rule kept for `pc`, an address below 2^ARCH_VA_BITS, or one of kind RULE_NONE. */
static inline struct rule rules_find(uintptr_t pc)
{
	uint64_t key = rules_key(pc);
	_Atomic uint64_t *set = rules_table[key >> (64 - RULES_SET_BITS)];

	for (unsigned i = 0; i < RULES_WAYS; i++) {
		uint64_t e = load_relaxed(&set[i]);

		/* An empty entry may pass for one of tag 0: that is no rule, either. */
		if (LIKELY((e ^ key >> (64 - ARCH_VA_BITS)) << (64 - RULES_TAG_BITS) == 0))
			return (struct rule){ (int64_t)e >> RULES_TAG_BITS };
	}
	return rule_make(RULE_NONE, 0, 0, false);
}

/* Keep `rule` for `pc`, unless everything was forgotten since rules_generation() gave `generation`. */
void rules_keep(uintptr_t pc, struct rule rule, uint32_t generation);

/* Read before compiling a rule. */
uint32_t rules_generation(void);

/* A module went away: forget every rule, also those being compiled now. */
void rules_forget(void);
