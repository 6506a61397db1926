/* common/spill.c - see spill.h. */
#include "common/spill.h"

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

		if (seen == 0 && cas_acq_rel(&s->key, &seen, key)) /* K */
			return s;
		if (seen == key)
			return s;
	}
	return NULL;
}

bool spill_reserve(const struct abi_region *r, uint32_t ordinal)
{
	return find(r, key_of(ordinal, 0)) != NULL;
}

static void add(struct abi_spill *s, const struct abi_event *e)
{
	struct weight w = weight_of(e->size, e->rate);

	if (e->kind == ABI_EVENT_FREE) {
		add_relaxed(&s->free_count, w.count);
		add_relaxed(&s->free_bytes, w.bytes);
		add_relaxed(&s->var_count_free, w.var_count);
		add_relaxed(&s->var_bytes_free, w.var_bytes);
		add_relaxed(&s->frees, 1);
		return;
	}
	if (e->kind == ABI_EVENT_INHERITED) {
		add_relaxed(&s->inherited_count, w.count);
		add_relaxed(&s->inherited_bytes, w.bytes);
	} else {
		add_relaxed(&s->alloc_count, w.count);
		add_relaxed(&s->alloc_bytes, w.bytes);
	}
	add_relaxed(&s->var_count_alloc, w.var_count);
	add_relaxed(&s->var_bytes_alloc, w.var_bytes);
	add_relaxed(&s->allocs, 1);
}

bool spill_add(const struct abi_region *r, const struct abi_event *e)
{
	struct abi_spill *s = find(r, key_of(e->proc, e->stack));
	bool exact = s != NULL;

	if (!s)
		s = find(r, key_of(e->proc, 0));
	if (s)
		add(s, e);
	return exact;
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
	*ret = (struct spill_sums){
		.allocs = load_relaxed(&s->allocs),
		.frees = load_relaxed(&s->frees),
		.alloc_count = load_relaxed(&s->alloc_count),
		.alloc_bytes = load_relaxed(&s->alloc_bytes),
		.free_count = load_relaxed(&s->free_count),
		.free_bytes = load_relaxed(&s->free_bytes),
		.var_count_alloc = load_relaxed(&s->var_count_alloc),
		.var_count_free = load_relaxed(&s->var_count_free),
		.var_bytes_alloc = load_relaxed(&s->var_bytes_alloc),
		.var_bytes_free = load_relaxed(&s->var_bytes_free),
		.inherited_count = load_relaxed(&s->inherited_count),
		.inherited_bytes = load_relaxed(&s->inherited_bytes),
	};
	return true;
}
