/* tests/unit/shim_rules.c - the rule cache: never a wrong rule, whatever collides, is evicted or forgotten. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "preload/rules.h"

#define CFA_BITS (64 - RULES_TAG_BITS - RULE_CFA_BIT)

/* A rule that names its address: found under another one, it shows. */
static struct rule rule_for(uintptr_t pc)
{
	uint64_t h = pc * 0xd1342543de82ef95ull;

	return rule_make(1 + h % RULE_UNSOUND, (int64_t)(h >> 40 & 0xfff) - 0x800,
			 h >> 20 & ((1u << ARCH_RULE_FP_BITS) - 1), false);
}

static bool same(struct rule a, struct rule b)
{
	return a.word == b.word;
}

static uint64_t draw(uint64_t *s)
{
	*s = *s * 6364136223846793005ull + 1442695040888963407ull;
	return *s >> 16;
}

/* Addresses as programs have them: clusters in a few modules, neighbours included. */
static uintptr_t address(uint64_t *s)
{
	static const uintptr_t bases[] = { 0x400000, 0x555555554000, 0x7ffff7000000, 0x7fffffeff000 };

	return bases[draw(s) % ARRAY_SIZE(bases)] + draw(s) % 0x100000;
}

Test(rules, are_found_as_kept_or_not_at_all)
{
	uint64_t s = 1, again = 1;
	unsigned found = 0;
	const unsigned n = 200000; /* several times what fits */

	for (unsigned i = 0; i < n; i++) {
		uintptr_t pc = address(&s);

		cr_assert(rule_kind(rules_find(pc)) == RULE_NONE || same(rules_find(pc), rule_for(pc)));
		rules_keep(pc, rule_for(pc), rules_generation());
		cr_assert(same(rules_find(pc), rule_for(pc)), "the newest is kept");
	}
	for (unsigned i = 0; i < n; i++) {
		uintptr_t pc = address(&again);
		struct rule r = rules_find(pc);

		cr_assert(rule_kind(r) == RULE_NONE || same(r, rule_for(pc)));
		found += rule_kind(r) != RULE_NONE;
	}
	cr_assert_gt(found, 20000, "it holds %u", found);
}

Test(rules, outside_the_packed_range_are_not_kept)
{
	const int64_t limit = 1 << (CFA_BITS - 1);
	const struct rule large[] = { rule_make(RULE_SP, limit, 0, false),
				      rule_make(RULE_SP, -limit - 1, 0, false) };
	const struct rule most[] = { rule_make(RULE_FP, limit - 1, (1 << ARCH_RULE_FP_BITS) - 1, true),
				     rule_make(RULE_FP, -limit, (1 << ARCH_RULE_FP_BITS) - 1, true) };

	for (size_t i = 0; i < ARRAY_SIZE(large); i++) {
		rules_keep(0x1000, large[i], rules_generation());
		cr_assert_eq(rule_kind(rules_find(0x1000)), RULE_NONE);
	}
	for (size_t i = 0; i < ARRAY_SIZE(most); i++) {
		rules_keep(0x1000 + i, most[i], rules_generation());
		cr_assert(same(rules_find(0x1000 + i), most[i]));
	}
}

Test(rules, are_for_user_addresses_only)
{
	const uintptr_t limit = 1ull << ARCH_VA_BITS, pc = 0x401000;

	rules_keep(pc, rule_for(pc), rules_generation());
	cr_assert(same(rules_find(pc), rule_for(pc)));
	cr_assert_eq(rule_kind(rules_find(pc + limit)), RULE_NONE);
	cr_assert_eq(rule_kind(rules_find(pc + 2 * limit)), RULE_NONE);
	rules_keep(pc + limit, rule_for(pc), rules_generation());
	cr_assert_eq(rule_kind(rules_find(pc + limit)), RULE_NONE);
	rules_keep(limit - 1, rule_for(pc), rules_generation());
	cr_assert_eq(rule_kind(rules_find(UINTPTR_MAX)), RULE_NONE, "the end of a walk, address 0, has a rule");
}

Test(rules, are_all_forgotten_and_those_compiled_before_are_refused)
{
	uint32_t before = rules_generation();
	uint64_t s = 5;

	for (unsigned i = 0; i < 10000; i++) {
		uintptr_t pc = address(&s);

		rules_keep(pc, rule_for(pc), before);
	}
	rules_forget();
	s = 5;
	for (unsigned i = 0; i < 10000; i++) {
		uintptr_t pc = address(&s);

		cr_assert_eq(rule_kind(rules_find(pc)), RULE_NONE);
		rules_keep(pc, rule_for(pc), before);
		cr_assert_eq(rule_kind(rules_find(pc)), RULE_NONE, "a rule of an unloaded module came back");
	}
}

static _Atomic bool stop;

static void *keeper(void *arg)
{
	uint64_t s = (uintptr_t)arg;

	while (!load_relaxed(&stop)) {
		uintptr_t pc = 0x400000 + draw(&s) % 4096;
		struct rule r = rules_find(pc);

		cr_assert(rule_kind(r) == RULE_NONE || same(r, rule_for(pc)));
		rules_keep(pc, rule_for(pc), rules_generation());
	}
	return NULL;
}

Test(rules, are_never_seen_half_written, .timeout = 60)
{
	pthread_t id[3];

	for (uintptr_t i = 0; i < ARRAY_SIZE(id); i++)
		cr_assert_eq(pthread_create(&id[i], NULL, keeper, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < 2000; i++)
		rules_forget();
	store_relaxed(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(id); i++)
		pthread_join(id[i], NULL);
}
