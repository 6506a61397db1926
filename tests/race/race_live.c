/* tests/race/race_live.c - the live table under threads, for ThreadSanitizer, and what only its inside can show.
 *
 * A plain program (see race_tables.c) that includes the table itself: after all threads took out what they had put
 * in, no slot, no away count and no filter counter may be left.  Threads also race for entries they share, of which
 * each may be detached once.  Exit 0 when all is right. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "preload/live.c"

enum { THREADS = 4, ROUNDS = 60000, OWN = 1500, SHARED = 64 };

static _Atomic uint64_t put_in[SHARED], taken_out[SHARED];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "race_live: %s\n", what);
	exit(1);
}

/* 16 bytes apart, as small blocks are: home buckets overflow, entries live away. */
static void *block(uint64_t i)
{
	return (void *)(uintptr_t)(0x7f0000000000 + i * 16);
}

static bool insert(uint64_t i)
{
	struct live_entry e = { .size = i, .born_ns = ~i, .rate = i % 2 ? 1 : 8192, .stack = (uint32_t)i };

	return live_put(live_expect(block(i), e.rate), block(i), &e) || live_insert(block(i), &e);
}

static bool take(uint64_t i, bool put_back_first)
{
	struct live_ref ref;

	if (!live_detach(block(i), &ref))
		return false;
	must(ref.entry.size == i && ref.entry.born_ns == ~i && ref.entry.stack == i, "a torn entry");
	if (put_back_first) { /* as a failed realloc does; between the two anybody may take a shared one */
		live_restore(&ref);
		return take(i, false);
	}
	live_drop(&ref);
	return true;
}

static void *churn(void *arg)
{
	uint64_t me = (uint64_t)(uintptr_t)arg, x = me + 1, base = SHARED + me * OWN;
	static _Thread_local bool is_live[OWN];

	for (int i = 0; i < ROUNDS; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		uint64_t k = (x >> 33) % OWN, shared = (x >> 20) % SHARED;

		must(take(base + k, x >> 63) == is_live[k], "an entry of one thread came or went by another");
		is_live[k] = (x >> 61 & 3) && insert(base + k);
		if (i % 4 == 0) {
			add_relaxed(&taken_out[shared], take(shared, false));
			if (shared % THREADS == me)
				add_relaxed(&put_in[shared], insert(shared));
		}
	}
	for (uint64_t k = 0; k < OWN; k++)
		must(take(base + k, false) == is_live[k], "an entry of one thread was lost");
	return NULL;
}

static void must_be_empty(const struct live_table *t)
{
	const struct live_bucket *buckets = load_acquire(&t->buckets); /* U, pairs with T */

	for (uint32_t b = 0; b <= t->mask; b++) {
		must(load_relaxed(&buckets[b].away) == 0, "an away count is left");
		for (uint32_t i = 0; i < SLOTS; i++)
			must(load_relaxed(&buckets[b].key[i]) == 0, "a slot is left");
	}
}

static void work(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, churn, (void *)i) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint64_t i = 0; i < SHARED + OWN * THREADS; i++) {
		while (take(i, false))
			if (i < SHARED)
				add_relaxed(&taken_out[i], 1);
		must(i >= SHARED || load_relaxed(&taken_out[i]) == load_relaxed(&put_in[i]),
		     "a shared entry was taken twice, or lost");
	}
}

/* One table first: that is when entries are put where they are expected. */
int main(void)
{
	must(live_init(7168) == 0, "live_init");
	work();
	must(live_reserve(7168) == 0, "live_reserve");
	work();
	for (int which = 0; which < 2; which++)
		must_be_empty(&live_tables[which]);
	for (uint32_t i = 1; i < 1u << LIVE_FILTER_BITS; i++)
		must(load_relaxed(&live_filter[i]) % LIVE_PINNED == 0, "a filter counter is left");
	return 0;
}
