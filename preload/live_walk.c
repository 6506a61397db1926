/* preload/live_walk.c - through the whole live table while others work on it: what a forked child tells.
 *
 * One thread of the child at a time, the others go on; nobody waits.  See live.h for who wins an entry. */
#include "preload/live_impl.h"

static uint64_t place_of(uint64_t table, uint64_t bucket)
{
	return table << 40 | bucket;
}

uint64_t live_place(const struct live_ref *ref)
{
	return place_of(ref->table, ref->bucket);
}

static bool win(const struct live_walk *w, uint64_t place, uint32_t slot, int what)
{
	uint64_t open = LIVE_TURN(place, LIVE_OPEN);

	/* The entry was read before: who loses may let it go at once. */
	return cas_acq_rel(&w->turns->turn[slot], &open, LIVE_TURN(place, what));
}

static void look_at(const struct live_walk *w, struct live_bucket *b, uint64_t place, uint32_t slot)
{
	uintptr_t key = load_acquire(&b->key[slot]); /* Q, pairs with P */
	struct live_entry e = b->entry[slot];

	fence_acquire(); /* the entry was read before the key is looked at again */
	if (key && !(key & 1) && load_relaxed(&b->key[slot]) == key) {
		if (win(w, place, slot, LIVE_TOLD))
			w->each(&e, w->arg);
	} else if (key && win(w, place, slot, LIVE_MISSED)) {
		w->missed(key & ~(uintptr_t)1, w->arg);
	}
}

static void each_of_bucket(const struct live_walk *w, struct live_bucket *b, uint64_t place)
{
	uintptr_t any = 0;

	for (uint32_t i = 0; i < LIVE_SLOTS; i++)
		any |= load_relaxed(&b->key[i]);
	if (!any)
		return;
	for (uint32_t i = 0; i < LIVE_SLOTS; i++)
		store_relaxed(&w->turns->turn[i], LIVE_TURN(place, LIVE_OPEN));
	store_release(&w->turns->at, LIVE_AT(place));
	fence_seq_cst(); /* Dekker, with who detaches an entry and then looks at `at` */
	for (uint32_t i = 0; i < LIVE_SLOTS; i++)
		look_at(w, b, place, i);
	store_release(&w->turns->at, LIVE_AT(place) + 1);
}

static bool was_touched(const struct live_table *t, uint64_t bucket)
{
	uint64_t part = bucket >> t->part_shift;

	return load_relaxed(&t->touched[part / 64]) >> part % 64 & 1;
}

static void each_of_table(const struct live_walk *w, uint64_t which)
{
	const struct live_table *t = &live_tables[which];
	struct live_bucket *b = load_acquire(&t->buckets); /* U, pairs with T */
	uint64_t n = b ? (uint64_t)t->mask + 1 : 0;

	for (uint64_t at = 0; at < n; at++) {
		if (was_touched(t, at))
			each_of_bucket(w, &b[at], place_of(which, at));
		else
			at |= (1ull << t->part_shift) - 1;
	}
}

void live_each(const struct live_walk *w)
{
	for (uint64_t which = 0; which < ARRAY_SIZE(live_tables); which++)
		each_of_table(w, which);
	store_release(&w->turns->at, UINT64_MAX);
}

void live_unmark(void)
{
	for (struct live_table *t = live_tables; t < live_tables + ARRAY_SIZE(live_tables); t++) {
		struct live_bucket *b = load_acquire(&t->buckets); /* U, pairs with T */

		for (uint64_t at = 0; b && at <= t->mask; at++)
			for (uint32_t i = 0; i < LIVE_SLOTS && was_touched(t, at); i++)
				b[at].entry[i].mark = 0;
	}
}
