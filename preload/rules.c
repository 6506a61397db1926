/* preload/rules.c - filling and emptying the rule cache; see rules.h.
 *
 * Forgetting races with keeping: whoever compiled a rule before a dlclose must not leave it behind.  Keep writes
 * the entry, then reads the generation; forget raises the generation, then clears the entries.  With a full barrier
 * between the two steps on each side at least one of them sees the other (Dekker), and the entry goes.  All else is
 * relaxed: an entry is complete in itself. */
#include "preload/rules.h"

_Atomic uint64_t rules_table[1u << RULES_SET_BITS][RULES_WAYS] __attribute__((aligned(CACHE_LINE)));

static _Atomic uint32_t generation_now, victim;

void rules_keep(uintptr_t pc, struct rule rule, uint32_t generation)
{
	uint64_t key = rules_key(pc), high = (uint64_t)rule.word << RULES_TAG_BITS;
	_Atomic uint64_t *set = rules_table[key >> (64 - RULES_SET_BITS)];
	unsigned way = 0;

	if ((int64_t)high >> RULES_TAG_BITS != rule.word) /* frames beyond 512 KiB on x86-64 */
		return;
	while (way < RULES_WAYS && load_relaxed(&set[way]))
		way++;
	if (way == RULES_WAYS)
		way = add_relaxed(&victim, 1) % RULES_WAYS;
	store_relaxed(&set[way], high | (key >> (64 - ARCH_VA_BITS) & ((1ull << RULES_TAG_BITS) - 1)));
	fence_seq_cst(); /* Dekker, see above */
	if (load_relaxed(&generation_now) != generation)
		store_relaxed(&set[way], 0);
}

uint32_t rules_generation(void)
{
	return load_relaxed(&generation_now);
}

void rules_forget(void)
{
	add_relaxed(&generation_now, 1);
	fence_seq_cst(); /* Dekker, see above */
	for (uint32_t s = 0; s < 1u << RULES_SET_BITS; s++)
		for (unsigned i = 0; i < RULES_WAYS; i++)
			store_relaxed(&rules_table[s][i], 0);
}
