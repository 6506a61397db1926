/* preload/live.c - see live.h.
 *
 * Table: buckets of seven slots, one cache line of keys each.  A pointer's home bucket keeps neighbours together
 * (128 bytes of heap to a bucket), so a dense heap touches few pages of the table.  When home is full the entry
 * goes to one of REACH buckets at unrelated places, and home's `away` counts it: only then does a search go on.
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

#define SLOTS 7u
#define REACH 8u
#define MIN_BUCKETS 1024u

struct bucket {
	alignas(CACHE_LINE) _Atomic uintptr_t key[SLOTS]; /* P, Q, R, S */
	_Atomic uint64_t away;                            /* entries at home here that live elsewhere */
	struct live_entry entry[SLOTS];
};
static_assert(sizeof(struct bucket) == 256, "a bucket is four lines, its keys the first");

/* NULL is pinned at link time: free(NULL) must not need a relocated pointer. */
_Atomic uint8_t live_filter[1u << LIVE_FILTER_BITS] = { [0] = LIVE_PINNED };

static _Atomic(struct bucket *) table; /* T, U */
static uint32_t mask;

void live_filter_pin(const void *p)
{
	store_relaxed(live_filter_at(p), LIVE_PINNED);
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

static uint32_t home_of(uintptr_t p)
{
	return (uint32_t)(p >> 7 ^ mix(p >> 16)) & mask;
}

/* The i-th bucket away from home: unrelated ones, because a neighbourhood is full as a whole. */
static uint32_t away_of(uintptr_t p, uint32_t i)
{
	return (uint32_t)mix(p + i) & mask; /* blocks are 8 bytes apart or more, and REACH is 8 */
}

int live_init(uint64_t entries)
{
	uint64_t n = MIN_BUCKETS;
	struct bucket *t = NULL;

	while (n * SLOTS < entries)
		n *= 2;
	for (; !t && n >= MIN_BUCKETS; n /= 2) {
		t = sys_mmap(n * sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1);
		mask = (uint32_t)n - 1;
	}
	if (!t)
		return -ENOMEM;
	/* Best effort: sparse use must not cost huge pages, nor a core dump the empty rest. */
	sys_madvise(t, ((size_t)mask + 1) * sizeof(*t), MADV_NOHUGEPAGE);
	sys_madvise(t, ((size_t)mask + 1) * sizeof(*t), MADV_DONTDUMP);
	store_release(&table, t); /* T, pairs with U */
	return 0;
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

/* Turn a key within the reach of `p`, away from home. */
static bool turn_away(struct bucket *t, uintptr_t p, uintptr_t from, uintptr_t to, struct live_ref *ret)
{
	for (uint32_t i = 0; i < REACH; i++) {
		ret->bucket = away_of(p, i);
		ret->slot = turn(&t[ret->bucket], from, to);
		if (ret->slot < SLOTS)
			return true;
	}
	return false;
}

static bool reserve(struct bucket *t, uintptr_t p, struct live_ref *ret)
{
	*ret = (struct live_ref){ .p = p, .home = home_of(p) };
	ret->bucket = ret->home;
	ret->slot = turn(&t[ret->home], 0, p | 1);
	if (LIKELY(ret->slot < SLOTS))
		return true;
	add_relaxed(&t[ret->home].away, 1); /* first: a search that misses it would lose the entry */
	if (turn_away(t, p, 0, p | 1, ret))
		return true;
	sub_relaxed(&t[ret->home].away, 1);
	return false;
}

bool live_insert(const void *block, const struct live_entry *e)
{
	struct bucket *t = load_acquire(&table); /* U, pairs with T */
	uintptr_t p = (uintptr_t)block;
	struct live_ref ref;

	if (!t || p & 1)
		return false;
	filter_add(p, 1);
	if (!reserve(t, p, &ref)) {
		filter_add(p, -1);
		return false;
	}
	t[ref.bucket].entry[ref.slot] = *e;
	store_release(&t[ref.bucket].key[ref.slot], p); /* P, pairs with Q */
	return true;
}

bool live_detach(const void *block, struct live_ref *ret)
{
	struct bucket *t = load_acquire(&table); /* U, pairs with T */
	uintptr_t p = (uintptr_t)block;
	struct live_ref ref = { .p = p };

	if (!t || p == 0 || p & 1)
		return false;
	ref.home = ref.bucket = home_of(p);
	ref.slot = turn(&t[ref.home], p, p | 1);
	if (ref.slot == SLOTS && (load_relaxed(&t[ref.home].away) == 0 || !turn_away(t, p, p, p | 1, &ref)))
		return false;
	ref.entry = t[ref.bucket].entry[ref.slot];
	*ret = ref;
	return true;
}

void live_restore(const struct live_ref *ref)
{
	struct bucket *t = load_acquire(&table); /* U, pairs with T */

	store_release(&t[ref->bucket].key[ref->slot], ref->p); /* P, pairs with Q */
}

void live_drop(const struct live_ref *ref)
{
	struct bucket *t = load_acquire(&table); /* U, pairs with T */

	store_release(&t[ref->bucket].key[ref->slot], 0); /* R, pairs with S */
	if (ref->bucket != ref->home)
		sub_relaxed(&t[ref->home].away, 1);
	filter_add(ref->p, -1);
}
