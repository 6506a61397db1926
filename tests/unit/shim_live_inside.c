/* tests/unit/shim_live_inside.c - the live table's invariants, seen from inside: why searches stay short.
 *
 * Includes live.c, so that the counters can be read; the library's own copy is then not linked.  A search leaves
 * home only if home's `away` says that entries of it live elsewhere: if those counts were ever too high, churn
 * would slow every free down little by little; too low, and entries would be lost. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "preload/live.c"

#define SMALL 7168
#define BLOCKS 5200 /* 73 % of the slots: homes are full all the time */
#define LOOKS 10    /* on the way */

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static void setup(void)
{
	cr_assert_eq(live_init(SMALL), 0);
}

TestSuite(live_inside, .init = setup, .timeout = 1100); /* of 1e8 operations, on a slow machine */

struct census {
	uint64_t entries, strays, away, homes_with_strays;
};

static uint32_t counted_away(const struct live_bucket *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < REACH; i++)
		n += load_relaxed(&b->away) >> 8 * i & AWAY_MANY;
	return n;
}

/* Every entry is at home, or counted there. */
static struct census look(void)
{
	static uint32_t strays_of[1 << 16];
	struct live_table *t = &live_tables[0];
	struct live_bucket *b = load_acquire(&t->buckets); /* U, pairs with T */
	struct census c = { 0 };

	for (uint32_t i = 0; i <= t->mask; i++)
		strays_of[i] = 0;
	for (uint32_t i = 0; i <= t->mask; i++)
		for (uint32_t s = 0; s < SLOTS; s++) {
			uintptr_t key = load_relaxed(&b[i].key[s]);

			c.entries += key != 0;
			strays_of[home_of(t, key)] += key != 0 && home_of(t, key) != i;
		}
	for (uint32_t i = 0; i <= t->mask; i++) {
		cr_assert_eq(counted_away(&b[i]), strays_of[i], "bucket %u", i);
		c.strays += strays_of[i];
		c.away += counted_away(&b[i]);
		c.homes_with_strays += strays_of[i] != 0;
	}
	return c;
}

static void *block(uint64_t i)
{
	return (void *)(uintptr_t)(0x5500000010 + i * 48 * 37);
}

static bool is_live[BLOCKS * 2];

static void churn(uint64_t steps)
{
	struct live_entry e = { .size = 1 };
	struct live_ref ref;

	while (steps--) {
		uint64_t i = next_random() % (BLOCKS * 2); /* half of them live, on average */

		cr_assert_eq(live_detach(block(i), &ref), is_live[i]);
		if (is_live[i])
			live_drop(&ref);
		is_live[i] = !is_live[i] && (live_put(live_expect(block(i), 1), block(i), &e) ||
					     live_insert(block(i), &e)); /* one in thousands finds no room */
	}
}

/* HEAPTAP_CHURN=N: operations; `make check-long` asks for 1e8. */
static uint64_t operations(void)
{
	const char *asked = getenv("HEAPTAP_CHURN");
	uint64_t n = asked ? strtoull(asked, NULL, 10) : 10000000;

	cr_assert_geq(n, LOOKS, "HEAPTAP_CHURN=%s is not a number of operations", asked);
	return n;
}

static void empty_the_table(void)
{
	struct live_ref ref;

	for (uint64_t i = 0; i < BLOCKS * 2; i++)
		if (live_detach(block(i), &ref))
			live_drop(&ref);
}

Test(live_inside, searches_stay_as_short_as_early_however_long_the_churn)
{
	uint64_t n = operations();
	struct census early, late;

	churn(200000);
	early = look();
	cr_expect_gt(early.strays, 100, "the test must have some");
	for (uint64_t i = 0; i < LOOKS; i++) {
		churn(n / LOOKS);
		late = look();
		cr_assert_lt(late.homes_with_strays, early.homes_with_strays * 5 / 4 + 50,
			     "look %lu: %lu homes send searches on, %lu early", i, late.homes_with_strays,
			     early.homes_with_strays);
	}
	empty_the_table();
	late = look();
	cr_expect_eq(late.entries, 0);
	cr_expect_eq(late.away, 0);
}
