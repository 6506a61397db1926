/* preload/rules.h - the rule cache: code address -> rule, one per process, of fixed size.
 *
 * Any thread, also in signal handlers and forked children; lock-free, one word per entry, so a reader sees a whole
 * rule or none.  Never fails: what does not fit is compiled again at its next use.
 *
 * A key has ARCH_VA_BITS bits: the low ones choose a set, which is one entry in each way, the other 34 are the tag.
 * So set and tag together are the key: no false match is possible.  No multiplication mixes them: the addresses of
 * calls are spread well enough, and a walk waits for the rule of each frame before it can look for the next one.
 * The 30 bits that remain of the word, on top, are the low ones of the rule's: one shift gets it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/atomics.h"
#include "common/compiler.h"
#include "preload/arch.h"

#define RULES_TAG_BITS 34
#define RULES_TAG ((1ull << RULES_TAG_BITS) - 1)
#define RULES_SETS (1u << (ARCH_VA_BITS - RULES_TAG_BITS))
#define RULES_WAYS 4u

extern HIDDEN _Atomic uint64_t rules_table[RULES_WAYS][RULES_SETS];

/* The key of `pc`: what comes after it, for that is what a walk has in hand, a return address. */
static inline uint64_t rules_key(uintptr_t pc)
{
	return arch_code_key(pc + 1);
}

/* The rule kept for `pc`, or one of kind RULE_NONE; that for every address from 2^ARCH_VA_BITS on. */
static inline struct rule rules_find(uintptr_t pc)
{
	uint64_t key = rules_key(pc), set = key % RULES_SETS, tag = key / RULES_SETS;
	uint64_t e = load_relaxed(&rules_table[0][set]);

	/* An empty entry may pass for one of tag 0: that is no rule, either. */
	for (unsigned way = 1; UNLIKELY((e & RULES_TAG) != tag); way++) {
		if (way == RULES_WAYS)
			return rule_bare(RULE_NONE);
		e = load_relaxed(&rules_table[way][set]);
	}
	return (struct rule){ (int64_t)e >> RULES_TAG_BITS };
}

/* Keep `rule` for `pc`, unless everything was forgotten since rules_generation() gave `generation`. */
void rules_keep(uintptr_t pc, struct rule rule, uint32_t generation);

/* Read before compiling a rule. */
uint32_t rules_generation(void);

/* A module went away: forget every rule, also those being compiled now. */
void rules_forget(void);
