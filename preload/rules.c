/* preload/rules.c - filling and emptying the rule cache; see rules.h.
 *
 * Forgetting races with keeping: whoever compiled a rule before a dlclose must not leave it behind.  Keep writes
 * the entry, then reads the generation; forget raises the generation, then clears the entries.  With a full barrier
 * between the two steps on each side at least one of them sees the other (Dekker), and the entry goes.  All else is
 * relaxed: an entry is complete in itself. */
#include "preload/rules.h"

_Atomic uint64_t rules_table[RULES_WAYS][RULES_SETS] __attribute__((aligned(CACHE_LINE)));

static _Atomic uint32_t generation_now, victim;

void rules_keep(uintptr_t pc, struct rule rule, uint32_t generation)
{
	uint64_t key = rules_key(pc), high = (uint64_t)rule.word << RULES_TAG_BITS, set = key % RULES_SETS;
	unsigned way = 0;

	/* Frames beyond 512 KiB on x86-64; the last address of all, whose key would be that of another. */
	if ((int64_t)high >> RULES_TAG_BITS != rule.word || (pc + 1) >> ARCH_VA_BITS)
		return;
	while (way < RULES_WAYS && load_relaxed(&rules_table[way][set]))
		way++;
	if (way == RULES_WAYS)
		way = add_relaxed(&victim, 1) % RULES_WAYS;
	store_relaxed(&rules_table[way][set], high | key / RULES_SETS);
	fence_seq_cst(); /* Dekker, see above */
	if (load_relaxed(&generation_now) != generation)
		store_relaxed(&rules_table[way][set], 0);
}

uint32_t rules_generation(void)
{
	return load_relaxed(&generation_now);
}

void rules_forget(void)
{
	add_relaxed(&generation_now, 1);
	fence_seq_cst(); /* Dekker, see above */
	for (unsigned way = 0; way < RULES_WAYS; way++)
		for (uint32_t set = 0; set < RULES_SETS; set++)
			store_relaxed(&rules_table[way][set], 0);
}
