/* collectord/profile/arena.h - memory that goes all at once, tables that grow, and small indexes over them:
 * profile/'s private tools.
 *
 * One owner, one thread.  Zero-initialised structs are ready to use; the _done functions take them at any stage.
 * Failure is always "out of memory": NULL, false or ARENA_NONE. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_NONE UINT32_MAX

struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t left;                /* bytes left in the newest */
	size_t total;               /* bytes handed out */
	size_t budget;              /* hand out at most this many; 0 = no limit */
	bool over_budget;           /* why the last failure was one; else malloc() failed */
};

void *arena_alloc(struct arena *a, size_t n); /* zeroed, 16-byte aligned */
void arena_done(struct arena *a);

/* Room for entry `n` of the malloc'ed table `*(T **)table` of `*cap` entries of `size` bytes; it at least doubles,
 * and what is new is not zeroed.  On failure it is as it was.  Numbers of entries have 32 bits: more is no memory.
 */
bool table_reserve(void *table, size_t n, size_t *cap, size_t size);

/* Hash -> number of a table's entry.  The table stays with the caller, who says whether an entry is the one. */
struct index {
	struct index_slot *slots;
	uint32_t n, n_slots;
};

typedef bool (*index_same)(const void *ctx, uint32_t entry);

uint32_t index_find(const struct index *ix, uint64_t hash, index_same same, const void *ctx); /* or ARENA_NONE */
bool index_add(struct index *ix, uint64_t hash, uint32_t entry);
void index_done(struct index *ix);

static inline uint64_t hash_word(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9fb21c651e98df25ull;
	return h ^ h >> 29;
}

/* Distinct strings in order of first appearance. */
struct strings {
	struct arena *arena; /* where the bytes live; set by the owner */
	const char **at;     /* malloc'ed */
	uint32_t n;
	size_t cap;
	struct index index;
};

uint32_t strings_add(struct strings *t, const char *s, size_t n); /* its number, or ARENA_NONE */
void strings_done(struct strings *t);
