/* common/spill.c - see spill.h. */
#include "common/spill.h"

#include "common/testpoint.h"
#include "common/weight.h"

#define PROBES 64u

static uint64_t key_of(uint32_t ordinal, uint32_t stack)
{
	return ((uint64_t)ordinal << 32 | stack) + 1;
}

static uint32_t hash_key(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(key >> 32);
}

/* The entry for `key`, claimed if it is new; NULL when no slot is left within reach. */
static struct abi_spill *find(const struct abi_region *r, uint64_t key)
{
	uint32_t mask = r->geo.spill_slots - 1;

	for (uint32_t i = 0, at = hash_key(key) & mask; i < PROBES; i++, at = (at + 1) & mask) {
		struct abi_spill *s = &r->spill[at];
		uint64_t seen = load_acquire(&s->key); /* L, pairs with K */

		if (seen == 0 && cas_acq_rel(&s->key, &seen, key)) { /* K */
			TEST_POINT(spill_claimed);
			return s;
		}
		if (seen == key)
			return s;
	}
	return NULL;
}

bool spill_reserve(const struct abi_region *r, uint32_t ordinal)
{
	return find(r, key_of(ordinal, 0)) != NULL;
}

static struct abi_spill_sums *sums_of(struct abi_spill *s, uint8_t kind)
{
	return kind == ABI_EVENT_FREE ? &s->freed : kind == ABI_EVENT_INHERITED ? &s->inherited : &s->alloc;
}

void spill_of(const struct abi_event *e, struct spill_kind *ret)
{
	struct weight w = { .count = e->born_ns << WEIGHT_COUNT_SHIFT, .bytes = e->size << WEIGHT_BYTES_SHIFT };
	bool many = e->kind == ABI_EVENT_INHERITED && e->flags & ABI_EVENT_MANY;

	if (!many)
		w = weight_of(e->size, e->rate);
	*ret = (struct spill_kind){ many ? e->born_ns : 1, w.count, w.bytes, w.var_count, w.var_bytes };
}

static void add(struct abi_spill_sums *s, const struct abi_event *e)
{
	struct spill_kind k;

	spill_of(e, &k);
	add_relaxed(&s->count, k.count);
	TEST_POINT(spill_half_added);
	add_relaxed(&s->bytes, k.bytes);
	if (k.var_count | k.var_bytes) { /* none at T = 1 */
		add_relaxed(&s->var_count, k.var_count);
		add_relaxed(&s->var_bytes, k.var_bytes);
	}
	add_relaxed(&s->events, k.events);
}

bool spill_add(const struct abi_region *r, const struct abi_event *e)
{
	struct abi_spill *s = find(r, key_of(e->proc, e->stack));
	bool exact = s != NULL;

	if (!s)
		s = find(r, key_of(e->proc, 0));
	if (s)
		add(sums_of(s, e->kind), e);
	TEST_POINT(spill_added);
	return exact;
}

static struct spill_kind read_kind(const struct abi_spill_sums *s)
{
	return (struct spill_kind){
		.events = load_relaxed(&s->events),
		.count = load_relaxed(&s->count),
		.bytes = load_relaxed(&s->bytes),
		.var_count = load_relaxed(&s->var_count),
		.var_bytes = load_relaxed(&s->var_bytes),
	};
}

bool spill_read(const struct abi_region *r, uint32_t i, uint32_t *ret_proc, uint32_t *ret_stack,
		struct spill_sums *ret)
{
	struct abi_spill *s = &r->spill[i];
	uint64_t key = load_acquire(&s->key); /* L, pairs with K */

	if (key == 0)
		return false;
	*ret_proc = (uint32_t)((key - 1) >> 32);
	*ret_stack = (uint32_t)(key - 1);
	*ret = (struct spill_sums){ read_kind(&s->alloc), read_kind(&s->freed), read_kind(&s->inherited) };
	return true;
}

static void clear(struct abi_spill_sums *s)
{
	store_relaxed(&s->events, 0);
	store_relaxed(&s->count, 0);
	store_relaxed(&s->bytes, 0);
	store_relaxed(&s->var_count, 0);
	store_relaxed(&s->var_bytes, 0);
}

void spill_release(const struct abi_region *r, uint32_t i)
{
	clear(&r->spill[i].alloc);
	clear(&r->spill[i].freed);
	clear(&r->spill[i].inherited);
	store_release(&r->spill[i].key, 0); /* Q, pairs with K */
}
