/* collectord/profile/arena.c - chunked arena, open-addressing index, string interning; see arena.h. */
#include "collectord/profile/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN 16u
#define CHUNK ((size_t)64 << 10)
#define LARGE_CHUNK \
	((size_t)4 << 20) /* once an arena has that much: its pages come all at once, not by a fault each */

struct arena_chunk {
	alignas(ALIGN) struct arena_chunk *next;
	size_t size;
	bool is_mapped; /* else from malloc() */
	alignas(ALIGN) unsigned char bytes[];
};

static struct arena_chunk *map_chunk(void)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	struct arena_chunk *c = mmap(NULL, LARGE_CHUNK, prot, flags, -1, 0);

	if (c == MAP_FAILED)
		return NULL;
	c->is_mapped = true;
	c->size = LARGE_CHUNK - sizeof(*c);
	return c;
}

static struct arena_chunk *new_chunk(size_t size)
{
	struct arena_chunk *c = calloc(1, sizeof(*c) + size);

	if (c)
		c->size = size;
	return c;
}

static bool arena_grow(struct arena *a, size_t n)
{
	bool large = a->total >= LARGE_CHUNK && n <= LARGE_CHUNK - sizeof(struct arena_chunk);
	struct arena_chunk *c = large ? map_chunk() : new_chunk(n > CHUNK ? n : CHUNK);

	if (!c)
		return false;
	c->next = a->chunks;
	a->chunks = c;
	a->left = c->size;
	return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t limit = a->budget ? a->budget : SIZE_MAX / 2;
	void *p;

	a->over_budget = n > limit - a->total;
	if (a->over_budget)
		return NULL;
	n = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
	if (n > a->left && !arena_grow(a, n))
		return NULL;
	p = a->chunks->bytes + (a->chunks->size - a->left);
	a->left -= n;
	a->total = n > limit - a->total ? limit : a->total + n;
	return p;
}

void arena_done(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		if (c->is_mapped)
			munmap(c, LARGE_CHUNK);
		else
			free(c);
	}
	*a = (struct arena){ 0 };
}

struct index_slot {
	uint64_t hash;
	uint32_t entry_plus_1; /* 0 = free */
};

/* First slot for `hash`; tables are powers of two and at most half full, so every probe ends. */
static uint32_t home(const struct index *ix, uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 32) & (ix->n_slots - 1);
}

uint32_t index_find(const struct index *ix, uint64_t hash, index_same same, const void *ctx)
{
	if (!ix->n_slots)
		return ARENA_NONE;
	for (uint32_t i = home(ix, hash);; i = (i + 1) & (ix->n_slots - 1)) {
		const struct index_slot *s = &ix->slots[i];

		if (!s->entry_plus_1)
			return ARENA_NONE;
		if (s->hash == hash && same(ctx, s->entry_plus_1 - 1))
			return s->entry_plus_1 - 1;
	}
}

static void index_place(struct index *ix, struct index_slot slot)
{
	uint32_t i = home(ix, slot.hash);

	while (ix->slots[i].entry_plus_1)
		i = (i + 1) & (ix->n_slots - 1);
	ix->slots[i] = slot;
}

static bool index_grow(struct index *ix)
{
	struct index old = *ix;
	uint32_t n_slots = old.n_slots ? old.n_slots * 2 : 64;

	if (old.n_slots > UINT32_MAX / 4)
		return false;
	ix->slots = calloc(n_slots, sizeof(*ix->slots));
	if (!ix->slots) {
		*ix = old;
		return false;
	}
	ix->n_slots = n_slots;
	for (uint32_t i = 0; i < old.n_slots; i++)
		if (old.slots[i].entry_plus_1)
			index_place(ix, old.slots[i]);
	free(old.slots);
	return true;
}

bool index_add(struct index *ix, uint64_t hash, uint32_t entry)
{
	if (ix->n >= ix->n_slots / 2 && !index_grow(ix))
		return false;
	index_place(ix, (struct index_slot){ .hash = hash, .entry_plus_1 = entry + 1 });
	ix->n++;
	return true;
}

void index_done(struct index *ix)
{
	free(ix->slots);
	*ix = (struct index){ 0 };
}

bool table_reserve(void *table, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap : 64;
	void *old, *grown;

	if (n < *cap)
		return true;
	if (n > UINT32_MAX / 4)
		return false;
	while (want <= n)
		want *= 2;
	memcpy(&old, table, sizeof(old));
	grown = reallocarray(old, want, size);
	if (!grown)
		return false;
	memcpy(table, &grown, sizeof(grown));
	*cap = want;
	return true;
}

struct string_key {
	const struct strings *table;
	const char *s;
	size_t n;
};

static bool same_string(const void *ctx, uint32_t entry)
{
	const struct string_key *k = ctx;
	const char *t = k->table->at[entry];

	return !strncmp(t, k->s, k->n) && !t[k->n];
}

static uint64_t hash_bytes(const char *s, size_t n)
{
	uint64_t h = n, w = 0;

	for (; n >= sizeof(w); s += sizeof(w), n -= sizeof(w)) {
		memcpy(&w, s, sizeof(w));
		h = hash_word(h, w);
	}
	w = 0;
	memcpy(&w, s, n);
	return hash_word(h, w);
}

uint32_t strings_add(struct strings *t, const char *s, size_t n)
{
	struct string_key key = { .table = t, .s = s, .n = strnlen(s, n) };
	uint64_t hash = hash_bytes(s, key.n);
	uint32_t found = index_find(&t->index, hash, same_string, &key);
	char *copy;

	if (found != ARENA_NONE)
		return found;
	if (!table_reserve(&t->at, t->n, &t->cap, sizeof(*t->at)))
		return ARENA_NONE;
	copy = arena_alloc(t->arena, key.n + 1);
	if (!copy || !index_add(&t->index, hash, t->n))
		return ARENA_NONE;
	memcpy(copy, s, key.n);
	t->at[t->n] = copy;
	return t->n++;
}

void strings_done(struct strings *t)
{
	free(t->at);
	index_done(&t->index);
	*t = (struct strings){ 0 };
}
