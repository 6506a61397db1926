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
#include "preload/live_impl.h"

#include <errno.h>
#include <sys/mman.h>

#include "preload/sys.h"

#define SLOTS LIVE_SLOTS
#define REACH LIVE_REACH
#define NEAR 1u /* of them in the page for a page of heap; more of those would fill up together */
#define PAGE_BUCKETS 16u
#define MIN_BUCKETS 1024u

/* NULL is pinned at link time: free(NULL) must not need a relocated pointer. */
_Atomic uint8_t live_filter[1u << LIVE_FILTER_BITS] = { [0] = LIVE_PINNED };

struct live_table live_tables[2];

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

static uint32_t home_of(const struct live_table *t, uintptr_t p)
{
	return (uint32_t)(p >> 7 ^ mix(p >> 16)) & t->mask;
}

/* The i-th bucket away from home. */
static uint32_t away_of(const struct live_table *t, uintptr_t p, uint32_t i)
{
	uint64_t own = mix(p + i); /* blocks are 8 bytes apart or more, and REACH is 8 */

	if (i >= NEAR)
		return (uint32_t)own & t->mask;
	return ((uint32_t)mix((p >> 12) * REACH + i) & t->mask & ~(PAGE_BUCKETS - 1)) | (own & (PAGE_BUCKETS - 1));
}

/* A byte of `away` for each of them; one that got to AWAY_MANY stays: its true value is unknown. */
#define AWAY_MANY 255u

static bool is_away(const struct live_bucket *home, uint32_t i)
{
	return (load_relaxed(&home->away) >> 8 * i & AWAY_MANY) != 0;
}

static void count_away(struct live_bucket *home, uint32_t i, int step)
{
	uint64_t seen = load_relaxed(&home->away), one = 1ull << 8 * i;

	while ((seen >> 8 * i & AWAY_MANY) != AWAY_MANY &&
	       !cas_acquire(&home->away, &seen, step > 0 ? seen + one : seen - one)) /* a count: no pair */
		;
}

static int make(struct live_table *to, uint64_t entries)
{
	uint64_t n = MIN_BUCKETS;
	struct live_bucket *t = NULL;

	while (n * SLOTS < entries)
		n *= 2;
	for (; !t && n >= MIN_BUCKETS; n /= 2) {
		t = sys_mmap(n * sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1);
		to->mask = (uint32_t)n - 1;
	}
	if (!t)
		return -ENOMEM;
	for (to->part_shift = 4; to->mask >> to->part_shift >= LIVE_PARTS; to->part_shift++)
		;
	/* Best effort: sparse use must not cost huge pages, nor a core dump the empty rest. */
	sys_madvise(t, ((size_t)to->mask + 1) * sizeof(*t), MADV_NOHUGEPAGE);
	sys_madvise(t, ((size_t)to->mask + 1) * sizeof(*t), MADV_DONTDUMP);
	store_release(&to->buckets, t); /* T, pairs with U */
	return 0;
}

int live_init(uint64_t entries)
{
	return make(&live_tables[0], entries);
}

int live_reserve(uint64_t entries)
{
	return make(&live_tables[1], entries);
}

uint64_t live_space(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(live_tables); i++)
		if (load_relaxed(&live_tables[i].buckets))
			n += ((uint64_t)live_tables[i].mask + 1) * sizeof(struct live_bucket);
	return n;
}

/* The slot `p` tries first: blocks that share a home are apart in it, so nearly all get theirs. */
static inline uint32_t first_slot(uintptr_t p)
{
	uint32_t i = p >> 4 & 7;

	return i < SLOTS ? i : 0;
}

/* Turn a key of bucket `b` from `from` into `to`; the slot's number, or SLOTS.  One of them is p, or both are. */
static inline uint32_t turn(struct live_bucket *b, uintptr_t from, uintptr_t to)
{
	for (uint32_t n = 0, i = first_slot(to); n < SLOTS; n++, i = i + 1 < SLOTS ? i + 1 : 0) {
		uintptr_t seen = load_relaxed(&b->key[i]);

		/* Q, pairs with P, when from is a pointer; S, pairs with R, when it is 0 */
		if (seen == from && cas_acquire(&b->key[i], &seen, to))
			return i;
	}
	return SLOTS;
}

static bool turn_at(const struct live_table *t, struct live_bucket *b, uint32_t i, uintptr_t from, uintptr_t to,
		    struct live_ref *ref)
{
	ref->try = i;
	ref->bucket = away_of(t, ref->p, i);
	ref->slot = turn(&b[ref->bucket], from, to);
	return ref->slot < SLOTS;
}

static bool reserve_away(const struct live_table *t, struct live_bucket *b, struct live_ref *ref)
{
	struct live_bucket *home = &b[ref->home];

	for (uint32_t i = 0; i < REACH; i++) {
		count_away(home, i, 1); /* first: a search that misses it would lose the entry */
		if (turn_at(t, b, i, 0, ref->p | 1, ref))
			return true;
		count_away(home, i, -1);
	}
	return false;
}

static bool find_away(const struct live_table *t, struct live_bucket *b, struct live_ref *ref)
{
	for (uint32_t i = 0; i < REACH; i++)
		if (is_away(&b[ref->home], i) && turn_at(t, b, i, ref->p, ref->p | 1, ref))
			return true;
	return false;
}

/* A free slot of table `which` for ref->p. */
static bool reserve(uint32_t which, struct live_ref *ref)
{
	struct live_table *t = &live_tables[which];
	struct live_bucket *b = load_acquire(&t->buckets); /* U, pairs with T */
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

static struct live_bucket *bucket_of(const struct live_ref *ref)
{
	return load_acquire(&live_tables[ref->table].buckets) + ref->bucket; /* U, pairs with T */
}

static void touch(struct live_table *t, uint32_t bucket)
{
	uint32_t part = bucket >> t->part_shift;
	uint64_t bit = 1ull << part % 64;

	if (UNLIKELY(!(load_relaxed(&t->touched[part / 64]) & bit)))
		or_relaxed(&t->touched[part / 64], bit);
}

static inline void fill(struct live_bucket *b, uint32_t slot, const struct live_entry *e, uintptr_t p)
{
	b->entry[slot] = *e;
	store_release(&b->key[slot], p); /* P, pairs with Q */
}

bool live_insert(const void *block, const struct live_entry *e)
{
	struct live_ref ref = { .p = (uintptr_t)block };
	uint32_t first =
		e->rate <= LIVE_DENSE; /* many are to come: not into the small table while there is a large one */

	if (ref.p & 1)
		return false;
	filter_add(ref.p, 1);
	if (!reserve(first, &ref) && !reserve(!first, &ref)) {
		filter_add(ref.p, -1);
		return false;
	}
	touch(&live_tables[ref.table], ref.bucket);
	fill(bucket_of(&ref), ref.slot, e, ref.p);
	return true;
}

struct live_home live_expect(const void *block, uint32_t rate)
{
	const uintptr_t p = (uintptr_t)block;
	const uint32_t which = rate <= LIVE_DENSE && load_relaxed(&live_tables[1].buckets);
	const struct live_table *t = &live_tables[which];
	struct live_home h = { .bucket = load_acquire(&t->buckets), .table = which }; /* U, pairs with T */

	/* Until the table is used, and where both are, it is not one look that decides. */
	if (!h.bucket || load_relaxed(&t->used) == 0 || load_relaxed(&live_tables[!which].used) || p & 1)
		return (struct live_home){ 0 };
	h.at = home_of(t, p);
	h.bucket += h.at;
	expect_write(&h.bucket->key);
	expect_write(&h.bucket->entry[first_slot(p)]);
	return h;
}

bool live_put(struct live_home h, const void *block, const struct live_entry *e)
{
	const uintptr_t p = (uintptr_t)block;
	const uint32_t slot = first_slot(p);
	uintptr_t none = 0;

	if (!h.bucket || load_relaxed(&h.bucket->key[slot]) || load_relaxed(&h.bucket->away))
		return false;
	for (uint32_t i = 0; i < SLOTS; i++)
		if (load_relaxed(&h.bucket->key[i]) == p)
			return false;
	filter_add(p, 1);
	if (!cas_acquire(&h.bucket->key[slot], &none, p | 1)) { /* S, pairs with R */
		filter_add(p, -1);
		return false;
	}
	touch(&live_tables[h.table], h.at);
	fill(h.bucket, slot, e, p);
	return true;
}

/* Detach ref->p in table `which`. */
static inline bool find(uint32_t which, struct live_ref *ref)
{
	const struct live_table *t = &live_tables[which];
	struct live_bucket *b = load_acquire(&t->buckets); /* U, pairs with T */
	uintptr_t p = ref->p;

	/* Relaxed: who may free a block got it from the malloc() that set it. */
	if (!b || load_relaxed(&t->used) == 0)
		return false;
	ref->table = which;
	ref->home = ref->bucket = home_of(t, p);
	expect_write(&b[ref->home].entry[first_slot(p)]); /* beside the keys' line, not after it */
	ref->slot = turn(&b[ref->home], p, p | 1);
	ref->try = REACH;
	return ref->slot < SLOTS || (load_relaxed(&b[ref->home].away) != 0 && find_away(t, b, ref));
}

bool live_detach(const void *block, struct live_ref *ref)
{
	ref->p = (uintptr_t)block;
	if (ref->p == 0 || ref->p & 1 || (!find(0, ref) && !find(1, ref)))
		return false;
	ref->entry = bucket_of(ref)->entry[ref->slot];
	return true;
}

void live_restore(const struct live_ref *ref)
{
	store_release(&bucket_of(ref)->key[ref->slot], ref->p); /* P, pairs with Q */
}

void live_drop(const struct live_ref *ref)
{
	struct live_bucket *b = bucket_of(ref);

	store_release(&b->key[ref->slot], 0); /* R, pairs with S */
	if (ref->try < REACH)
		count_away(b - ref->bucket + ref->home, ref->try, -1);
	filter_add(ref->p, -1);
}
