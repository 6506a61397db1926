/* collectord/live/books.h - what one process's events add up to: a bucket per stack, a total, the peak.
 *
 * Used by one process's ledger, one thread.  Frames are copied in once, when an event first names their stack. Sums
 * are integers in the units of common/weight.h, modulo 2^64, so that a free takes away exactly what its alloc
 * added. In-use = alloc + inherited - freed; it may be below 0 for a moment, when lanes are drained out of order.
 * The peak is kept for every bucket in O(1) per event: see books.c. */
#pragma once

#include <stdbool.h>

#include "collectord/live/detail.h"
#include "collectord/live/series.h"
#include "collectord/profile/snapshot.h"
#include "common/compiler.h"
#include "common/spill.h"

struct books_sums {
	uint64_t count, bytes;
	u128 var_count, var_bytes;
};

struct bucket {
	uint64_t frames; /* start in books.words */
	uint32_t n_frames, flags, epoch;
	uint32_t peak_generation;
	uint32_t stack;                   /* id */
	uint64_t allocs, frees, inherits; /* events */
	struct books_sums alloc, freed, inherited;
	struct books_sums peak; /* in-use at the peak numbered peak_generation */
	struct detail detail;   /* not kept for books.total */
};

struct books {
	struct bucket *buckets; /* [0]: stack id 0, "no room for the stack" */
	uint32_t n_buckets, cap_buckets;
	uint32_t *bucket_of; /* by stack id: index + 1, or 0 */
	uint32_t stack_slots;
	uint32_t n_shared; /* ids that share bucket 0 */
	uint64_t *words;   /* all frames */
	uint64_t n_words, cap_words;
	struct bucket total; /* peak_generation: number of the newest peak */
	uint64_t peak_elapsed_ns;
	struct series series;
	uint64_t cells_left; /* of all details' histograms: a hostile client must not fill them all */
};

/* For stack ids below `stack_slots`.  0 or -ENOMEM. */
int books_init(struct books *b, uint32_t stack_slots);
void books_done(struct books *b); /* takes a zeroed one */

/* The bucket of stack `id` (< stack_slots), or NULL if it was not named yet. */
struct bucket *books_find(struct books *b, uint32_t id);

/* An event of stack `id` (< stack_slots) is near: with many stacks each of its three reads would wait for memory.
 * Each of these has come what the next one reads, so they want some events between them. */
static inline void books_expect_index(const struct books *b, uint32_t id)
{
	__builtin_prefetch(&b->bucket_of[id]);
}

static inline void books_expect_bucket(const struct books *b, uint32_t id)
{
	const char *k = (const char *)&b->buckets[b->bucket_of[id] ? b->bucket_of[id] - 1 : 0];

	for (size_t at = 0; at < sizeof(struct bucket); at += CACHE_LINE)
		expect_write(k + at);
}

static inline void books_expect_cells(const struct books *b, uint32_t id)
{
	const struct bucket *k = &b->buckets[b->bucket_of[id] ? b->bucket_of[id] - 1 : 0];

	expect_write(k->detail.sizes.cells);
	expect_write(k->detail.lifetimes.cells);
}

/* Make a bucket for `id`, which has none.  Without memory, `id` shares bucket 0 from now on. */
struct bucket *books_add_stack(struct books *b, uint32_t id, const uint64_t *frames, uint32_t n, uint64_t word);

/* `id`, which has no bucket, shares bucket 0 from now on: for good, because frees must find their allocs. */
struct bucket *books_share(struct books *b, uint32_t id);

/* Enter one event, checked by the caller (kind, rate, size); `elapsed_ns` dates a new peak. */
void books_event(struct books *b, struct bucket *k, const struct abi_event *e, uint64_t elapsed_ns);

/* Enter what spill counters gained. */
void books_spill(struct books *b, struct bucket *k, const struct spill_sums *gain, uint64_t elapsed_ns);

/* A bucket's values as a snapshot says them.  Inherited samples appear as frees that did not happen, so that
 * alloc - free is what is in use while alloc_* stays what this process allocated. */
void books_values(const struct books *b, const struct bucket *k, struct snapshot_values *ret);

/* Its detail as of `now_ns`; the histograms are lent until the next event. */
void books_detail(const struct bucket *k, uint64_t now_ns, struct snapshot_detail *ret);

/* The same over all stacks; peak_* = the process's peak. */
void books_total(const struct books *b, struct snapshot_values *ret);

struct pack_writer;
struct pack_reader;
/* Everything, for a checkpoint.  books_unpack(): into zeroed books, checked, with at most `max_words` frames; 0,
 * -EBADMSG or -ENOMEM. */
void books_pack(const struct books *b, struct pack_writer *w);
int books_unpack(struct books *b, uint32_t stack_slots, uint64_t max_words, struct pack_reader *r);
