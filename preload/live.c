/* preload/live.c - see live.h.
 *
 * Table: buckets of seven slots, one cache line of keys each.  A pointer's home bucket keeps neighbours together
 * (128 bytes of heap to a bucket), so a dense heap touches few pages of the table.  When home is full the entry
 * goes to one of REACH others: first in a page of buckets that a page of heap has for that, so that a heap of tiny
 * blocks does not scatter over the table, at last anywhere.  Home counts how many went to the i-th: a search looks
 * there only then.
 * No tombstones: removing clears the slot, so the table cannot decay under churn.
 *
 * A slot's key is 0 (empty), p (live) or p|1: being filled, or detached.  p|1 matches no search, so one CAS decides
 * who owns an entry.  A thread that disappears in between (fork, siglongjmp) leaves p|1 behind: one slot, for a
 * block that the program itself has lost by the same jump.
 *
 * Filter: each counter is at least the number of its entries (raised before an insert, lowered after a drop) or
 * pinned, so zero means "not sampled"; false alarms only cost the search. */
#include "preload/live.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <sys/mman.h>

#include "preload/sys.h"

#define SLOTS LIVE_SLOTS
#define REACH 8u
#define NEAR 1u /* of them in the page for a page of heap; more of those would fill up together */
#define PAGE_BUCKETS 16u
#define MIN_BUCKETS 1024u

struct bucket {
	alignas(CACHE_LINE) _Atomic uintptr_t key[SLOTS]; /* P, Q, R, S */
	_Atomic uint64_t away;                            /* entries at home here that live elsewhere: see below */
	struct live_entry entry[SLOTS];
};
static_assert(REACH == sizeof(uint64_t), "a byte of `away` for each");
static_assert(sizeof(struct bucket) == 256, "a bucket is four lines, its keys the first");

/* NULL is pinned at link time: free(NULL) must not need a relocated pointer. */
_Atomic uint8_t live_filter[1u << LIVE_FILTER_BITS] = { [0] = LIVE_PINNED };

#define PARTS (1u << 18)

/* The table, and the one kept in reserve for the day T is lowered: it costs address space until then. */
struct table {
	_Atomic(struct bucket *) buckets; /* T, U */
	uint32_t mask;
	_Atomic uint32_t used; /* there was an entry in it */
	/* Which parts were ever written, so that live_each() need not fault in the rest. */
	uint32_t part_shift; /* log2 of the buckets of a part: a page of them, or more if the table is huge */
	_Atomic uint64_t touched[PARTS / 64];
};
static struct table tables[2];

void live_filter_pin(const void *p)
{
	store_relaxed(live_filter_at(p), LIVE_PINNED);
}

void live_filter_pin_all(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(live_filter); i++)
		store_relaxed(&live_filter[i], LIVE_PINNED);
}

static void filter_add(uintptr_t p, int step)
{
	_Atomic uint8_t *c = live_filter_at((const void *)p);
	uint8_t seen = load_relaxed(c);

	while (seen != LIVE_PINNED && !cas_acquire(c, &seen, (uint8_t)(seen + step))) /* a count: no pair */
		;
}

/* murmur3's finalizer: every bit of `v` reaches every bit of the result. */
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 33) * 0xff51afd7ed558ccdull;
	v = (v ^ v >> 33) * 0xc4ceb9fe1a85ec53ull;
	return v ^ v >> 33;
}

static uint32_t home_of(const struct table *t, uintptr_t p)
{
	return (uint32_t)(p >> 7 ^ mix(p >> 16)) & t->mask;
}

/* The i-th bucket away from home. */
static uint32_t away_of(const struct table *t, uintptr_t p, uint32_t i)
{
	uint64_t own = mix(p + i); /* blocks are 8 bytes apart or more, and REACH is 8 */

	if (i >= NEAR)
		return (uint32_t)own & t->mask;
	return ((uint32_t)mix((p >> 12) * REACH + i) & t->mask & ~(PAGE_BUCKETS - 1)) | (own & (PAGE_BUCKETS - 1));
}

/* A byte of `away` for each of them; one that got to AWAY_MANY stays: its true value is unknown. */
#define AWAY_MANY 255u

static bool is_away(const struct bucket *home, uint32_t i)
{
	return (load_relaxed(&home->away) >> 8 * i & AWAY_MANY) != 0;
}

static void count_away(struct bucket *home, uint32_t i, int step)
{
	uint64_t seen = load_relaxed(&home->away), one = 1ull << 8 * i;

	while ((seen >> 8 * i & AWAY_MANY) != AWAY_MANY &&
	       !cas_acquire(&home->away, &seen, step > 0 ? seen + one : seen - one)) /* a count: no pair */
		;
}

static int make(struct table *to, uint64_t entries)
{
	uint64_t n = MIN_BUCKETS;
	struct bucket *t = NULL;

	while (n * SLOTS < entries)
		n *= 2;
	for (; !t && n >= MIN_BUCKETS; n /= 2) {
		t = sys_mmap(n * sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1);
		to->mask = (uint32_t)n - 1;
	}
	if (!t)
		return -ENOMEM;
	for (to->part_shift = 4; to->mask >> to->part_shift >= PARTS; to->part_shift++)
		;
	/* Best effort: sparse use must not cost huge pages, nor a core dump the empty rest. */
	sys_madvise(t, ((size_t)to->mask + 1) * sizeof(*t), MADV_NOHUGEPAGE);
	sys_madvise(t, ((size_t)to->mask + 1) * sizeof(*t), MADV_DONTDUMP);
	store_release(&to->buckets, t); /* T, pairs with U */
	return 0;
}

int live_init(uint64_t entries)
{
	return make(&tables[0], entries);
}

int live_reserve(uint64_t entries)
{
	return make(&tables[1], entries);
}

uint64_t live_space(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (load_relaxed(&tables[i].buckets))
			n += ((uint64_t)tables[i].mask + 1) * sizeof(struct bucket);
	return n;
}

/* Turn a key of bucket `b` from `from` into `to`; the slot's number, or SLOTS. */
static uint32_t turn(struct bucket *b, uintptr_t from, uintptr_t to)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uintptr_t seen = load_relaxed(&b->key[i]);

		/* Q, pairs with P, when from is a pointer; S, pairs with R, when it is 0 */
		if (seen == from && cas_acquire(&b->key[i], &seen, to))
			return i;
	}
	return SLOTS;
}

static bool turn_at(const struct table *t, struct bucket *b, uint32_t i, uintptr_t from, uintptr_t to,
		    struct live_ref *ref)
{
	ref->try = i;
	ref->bucket = away_of(t, ref->p, i);
	ref->slot = turn(&b[ref->bucket], from, to);
	return ref->slot < SLOTS;
}

static bool reserve_away(const struct table *t, struct bucket *b, struct live_ref *ref)
{
	struct bucket *home = &b[ref->home];

	for (uint32_t i = 0; i < REACH; i++) {
		count_away(home, i, 1); /* first: a search that misses it would lose the entry */
		if (turn_at(t, b, i, 0, ref->p | 1, ref))
			return true;
		count_away(home, i, -1);
	}
	return false;
}

static bool find_away(const struct table *t, struct bucket *b, struct live_ref *ref)
{
	for (uint32_t i = 0; i < REACH; i++)
		if (is_away(&b[ref->home], i) && turn_at(t, b, i, ref->p, ref->p | 1, ref))
			return true;
	return false;
}

/* A free slot of table `which` for ref->p. */
static bool reserve(uint32_t which, struct live_ref *ref)
{
	struct table *t = &tables[which];
	struct bucket *b = load_acquire(&t->buckets); /* U, pairs with T */
	uintptr_t p = ref->p;

	if (!b)
		return false;
	ref->table = which;
	ref->home = ref->bucket = home_of(t, p);
	if (UNLIKELY(load_relaxed(&t->used) == 0))
		store_relaxed(&t->used, 1);
	ref->slot = turn(&b[ref->home], 0, p | 1);
	ref->try = REACH;
	return LIKELY(ref->slot < SLOTS) || reserve_away(t, b, ref);
}

static struct bucket *bucket_of(const struct live_ref *ref)
{
	return load_acquire(&tables[ref->table].buckets) + ref->bucket; /* U, pairs with T */
}

static void touch(struct table *t, uint32_t bucket)
{
	uint32_t part = bucket >> t->part_shift;
	uint64_t bit = 1ull << part % 64;

	if (UNLIKELY(!(load_relaxed(&t->touched[part / 64]) & bit)))
		or_relaxed(&t->touched[part / 64], bit);
}

bool live_insert(const void *block, const struct live_entry *e)
{
	struct live_ref ref = { .p = (uintptr_t)block };
	uint32_t first =
		e->rate <= LIVE_DENSE; /* many are to come: not into the small table while there is a large one */
	struct bucket *b;

	if (ref.p & 1)
		return false;
	filter_add(ref.p, 1);
	if (!reserve(first, &ref) && !reserve(!first, &ref)) {
		filter_add(ref.p, -1);
		return false;
	}
	touch(&tables[ref.table], ref.bucket);
	b = bucket_of(&ref);
	b->entry[ref.slot] = *e;
	store_release(&b->key[ref.slot], ref.p); /* P, pairs with Q */
	return true;
}

/* Detach ref->p in table `which`. */
static bool find(uint32_t which, struct live_ref *ref)
{
	const struct table *t = &tables[which];
	struct bucket *b = load_acquire(&t->buckets); /* U, pairs with T */
	uintptr_t p = ref->p;

	/* Relaxed: who may free a block got it from the malloc() that set it. */
	if (!b || load_relaxed(&t->used) == 0)
		return false;
	ref->table = which;
	ref->home = ref->bucket = home_of(t, p);
	ref->slot = turn(&b[ref->home], p, p | 1);
	ref->try = REACH;
	return ref->slot < SLOTS || (load_relaxed(&b[ref->home].away) != 0 && find_away(t, b, ref));
}

bool live_detach(const void *block, struct live_ref *ret)
{
	struct live_ref ref = { .p = (uintptr_t)block };

	if (ref.p == 0 || ref.p & 1 || (!find(0, &ref) && !find(1, &ref)))
		return false;
	ref.entry = bucket_of(&ref)->entry[ref.slot];
	*ret = ref;
	return true;
}

void live_restore(const struct live_ref *ref)
{
	store_release(&bucket_of(ref)->key[ref->slot], ref->p); /* P, pairs with Q */
}

void live_drop(const struct live_ref *ref)
{
	struct bucket *b = bucket_of(ref);

	store_release(&b->key[ref->slot], 0); /* R, pairs with S */
	if (ref->try < REACH)
		count_away(b - ref->bucket + ref->home, ref->try, -1);
	filter_add(ref->p, -1);
}

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

static void look_at(const struct live_walk *w, struct bucket *b, uint64_t place, uint32_t slot)
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

static void each_of_bucket(const struct live_walk *w, struct bucket *b, uint64_t place)
{
	uintptr_t any = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		any |= load_relaxed(&b->key[i]);
	if (!any)
		return;
	for (uint32_t i = 0; i < SLOTS; i++)
		store_relaxed(&w->turns->turn[i], LIVE_TURN(place, LIVE_OPEN));
	store_release(&w->turns->at, LIVE_AT(place));
	fence_seq_cst(); /* Dekker, with who detaches an entry and then looks at `at` */
	for (uint32_t i = 0; i < SLOTS; i++)
		look_at(w, b, place, i);
	store_release(&w->turns->at, LIVE_AT(place) + 1);
}

static bool was_touched(const struct table *t, uint64_t bucket)
{
	uint64_t part = bucket >> t->part_shift;

	return load_relaxed(&t->touched[part / 64]) >> part % 64 & 1;
}

static void each_of_table(const struct live_walk *w, uint64_t which)
{
	const struct table *t = &tables[which];
	struct bucket *b = load_acquire(&t->buckets); /* U, pairs with T */
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
	for (uint64_t which = 0; which < ARRAY_SIZE(tables); which++)
		each_of_table(w, which);
	store_release(&w->turns->at, UINT64_MAX);
}

void live_unmark(void)
{
	for (struct table *t = tables; t < tables + ARRAY_SIZE(tables); t++) {
		struct bucket *b = load_acquire(&t->buckets); /* U, pairs with T */

		for (uint64_t at = 0; b && at <= t->mask; at++)
			for (uint32_t i = 0; i < SLOTS && was_touched(t, at); i++)
				b[at].entry[i].mark = 0;
	}
}
