/* collectord/live/books.c - see books.h.
 *
 * The peak by lazy rebase.  A new maximum of the in-use bytes only increments the peak's generation.  A bucket
 * whose generation is older has not changed since the newest peak, so what it holds now is what it held then: it is
 * noted just before the bucket's first change after a peak, and otherwise read off when somebody asks. */
#include "collectord/live/books.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/weight.h"

#define CELLS_A_STACK 16 /* of histograms, on average; few stacks may have all */

/* Modulo 2^64 and 2^128: below 0 for a moment when a free was drained before its alloc. */
static struct books_sums inuse(const struct bucket *k)
{
	const struct books_sums *a = &k->alloc, *i = &k->inherited, *f = &k->freed;

	return (struct books_sums){
		.count = a->count + i->count - f->count,
		.bytes = a->bytes + i->bytes - f->bytes,
		.var_count = a->var_count + i->var_count - f->var_count,
		.var_bytes = a->var_bytes + i->var_bytes - f->var_bytes,
	};
}

/* Grow `*array` of `size`-byte items to hold at least `need`. */
static bool reserve(void *array, size_t size, uint64_t need, uint64_t *cap)
{
	uint64_t grown = *cap ? *cap : 64;
	void *p;

	if (need <= *cap)
		return true;
	while (grown < need)
		grown *= 2;
	memcpy(&p, array, sizeof(p));
	p = reallocarray(p, grown, size);
	if (!p)
		return false;
	memcpy(array, &p, sizeof(p));
	*cap = grown;
	return true;
}

static struct bucket *new_bucket(struct books *b)
{
	uint64_t cap = b->cap_buckets;

	if (!reserve(&b->buckets, sizeof(*b->buckets), (uint64_t)b->n_buckets + 1, &cap))
		return NULL;
	b->cap_buckets = (uint32_t)cap;
	memset(&b->buckets[b->n_buckets], 0, sizeof(*b->buckets));
	return &b->buckets[b->n_buckets++];
}

/* Mapped, not calloc'ed: megabytes that a short session hardly touches must not be written. */
static void *map_zeroed(size_t bytes)
{
	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int books_init(struct books *b, uint32_t stack_slots)
{
	*b = (struct books){ .stack_slots = stack_slots, .cells_left = (uint64_t)stack_slots * CELLS_A_STACK };
	b->bucket_of = map_zeroed(stack_slots * sizeof(*b->bucket_of));
	if (!b->bucket_of || !new_bucket(b)) {
		books_done(b);
		return -ENOMEM;
	}
	b->bucket_of[0] = 1;
	return 0;
}

void books_done(struct books *b)
{
	for (uint32_t i = 0; i < b->n_buckets; i++)
		detail_done(&b->buckets[i].detail);
	series_done(&b->series);
	free(b->buckets);
	if (b->bucket_of)
		munmap(b->bucket_of, b->stack_slots * sizeof(*b->bucket_of));
	free(b->words);
	*b = (struct books){ 0 };
}

struct bucket *books_find(struct books *b, uint32_t id)
{
	uint32_t at = b->bucket_of[id];

	return at ? &b->buckets[at - 1] : NULL;
}

struct bucket *books_share(struct books *b, uint32_t id)
{
	b->bucket_of[id] = 1;
	b->n_shared++;
	return &b->buckets[0];
}

struct bucket *books_add_stack(struct books *b, uint32_t id, const uint64_t *frames, uint32_t n, uint64_t word)
{
	struct bucket *k = NULL;

	if (reserve(&b->words, sizeof(*b->words), b->n_words + n, &b->cap_words))
		k = new_bucket(b);
	if (!k)
		return books_share(b, id);
	k->stack = id;
	k->frames = b->n_words;
	k->n_frames = n;
	k->flags = ABI_STACK_FLAGS(word);
	k->epoch = ABI_STACK_EPOCH(word);
	if (n)
		memcpy(b->words + b->n_words, frames, n * sizeof(*frames));
	b->n_words += n;
	b->bucket_of[id] = b->n_buckets;
	return k;
}

static void rebase(const struct books *b, struct bucket *k)
{
	if (k->peak_generation == b->total.peak_generation)
		return;
	k->peak = inuse(k);
	k->peak_generation = b->total.peak_generation;
}

static void note_peak(struct books *b, uint64_t elapsed_ns)
{
	struct books_sums now = inuse(&b->total);

	if ((int64_t)now.bytes <= (int64_t)b->total.peak.bytes)
		return;
	b->total.peak = now;
	b->total.peak_generation++;
	b->peak_elapsed_ns = elapsed_ns;
}

static void add(struct books_sums *s, const struct weight *w)
{
	s->count += w->count;
	s->bytes += w->bytes;
	s->var_count += w->var_count;
	s->var_bytes += w->var_bytes;
}

static void enter(struct bucket *k, uint8_t kind, const struct weight *w)
{
	switch (kind) {
	case ABI_EVENT_ALLOC:
		k->allocs++;
		add(&k->alloc, w);
		break;
	case ABI_EVENT_FREE:
		k->frees++;
		add(&k->freed, w);
		break;
	case ABI_EVENT_INHERITED:
		k->inherits++;
		add(&k->inherited, w);
		break;
	}
}

static void note_series(struct books *b, uint64_t elapsed_ns)
{
	const struct books_sums now = inuse(&b->total);

	series_note(&b->series, elapsed_ns,
		    &(struct snapshot_point){ .bytes_last = now.bytes,
					      .count_last = now.count,
					      .alloc_bytes = b->total.alloc.bytes,
					      .alloc_count = b->total.alloc.count });
}

void books_event(struct books *b, struct bucket *k, const struct abi_event *e, uint64_t elapsed_ns)
{
	struct weight w = weight_of(e->size, e->rate);

	rebase(b, k);
	enter(k, e->kind, &w);
	enter(&b->total, e->kind, &w);
	detail_event(&k->detail, e, &w, inuse(k).count, &b->cells_left);
	note_peak(b, elapsed_ns);
	note_series(b, elapsed_ns);
}

static struct weight weight_in(const struct spill_kind *k)
{
	return (struct weight){ k->count, k->bytes, k->var_count, k->var_bytes };
}

static void enter_spill(struct bucket *k, const struct spill_sums *g)
{
	const struct weight alloc = weight_in(&g->alloc), freed = weight_in(&g->freed),
			    inherited = weight_in(&g->inherited);

	k->allocs += g->alloc.events;
	k->frees += g->freed.events;
	k->inherits += g->inherited.events;
	add(&k->alloc, &alloc);
	add(&k->freed, &freed);
	add(&k->inherited, &inherited);
}

static void gain_detail(struct books *b, struct bucket *k, const struct spill_sums *g, uint64_t elapsed_ns)
{
	const struct detail_gain gain = {
		.events = g->alloc.events + g->freed.events + g->inherited.events,
		.alloc = weight_in(&g->alloc),
		.freed = weight_in(&g->freed),
		.inherited = weight_in(&g->inherited),
	};

	detail_gain(&k->detail, &gain, elapsed_ns, inuse(k).count, &b->cells_left);
}

void books_spill(struct books *b, struct bucket *k, const struct spill_sums *gain, uint64_t elapsed_ns)
{
	rebase(b, k);
	enter_spill(k, gain);
	enter_spill(&b->total, gain);
	gain_detail(b, k, gain, elapsed_ns);
	note_peak(b, elapsed_ns);
	note_series(b, elapsed_ns);
}

/* Below 0, for the moment that in-use is: nothing is known, and 0 is said. */
static double variance(u128 sum, unsigned shift)
{
	return (i128)sum > 0 ? (double)sum / (double)(1u << shift) : 0;
}

/* A stack whose allocs wait in spill counters while its frees were drained: nothing of it was seen to be in use. */
static uint64_t at_peak(uint64_t sum)
{
	return (int64_t)sum > 0 ? sum : 0;
}

static void values_of(const struct bucket *k, struct snapshot_values *ret)
{
	const struct books_sums now = inuse(k);

	*ret = (struct snapshot_values){
		.allocs = k->allocs,
		.frees = k->frees,
		.alloc_count = k->alloc.count,
		.alloc_bytes = k->alloc.bytes,
		.free_count = k->freed.count - k->inherited.count,
		.free_bytes = k->freed.bytes - k->inherited.bytes,
		.peak_count = at_peak(k->peak.count),
		.peak_bytes = at_peak(k->peak.bytes),
		.var_alloc_count = variance(k->alloc.var_count, WEIGHT_VARC_SHIFT),
		.var_alloc_bytes = variance(k->alloc.var_bytes, 0),
		.var_inuse_count = variance(now.var_count, WEIGHT_VARC_SHIFT),
		.var_inuse_bytes = variance(now.var_bytes, 0),
		.var_peak_count = variance(k->peak.var_count, WEIGHT_VARC_SHIFT),
		.var_peak_bytes = variance(k->peak.var_bytes, 0),
	};
}

void books_values(const struct books *b, const struct bucket *k, struct snapshot_values *ret)
{
	struct bucket now = *k;

	rebase(b, &now);
	values_of(&now, ret);
}

void books_detail(const struct bucket *k, uint64_t now_ns, struct snapshot_detail *ret)
{
	const struct detail *d = &k->detail;

	*ret = (struct snapshot_detail){
		.temporary_count = d->temporary_count,
		.temporary_bytes = d->temporary_bytes,
		.age_ns = detail_age_ns(d, inuse(k).count, now_ns),
		.undated = d->undated,
		.lifetimes = d->lifetimes,
		.sizes = d->sizes,
	};
}

void books_total(const struct books *b, struct snapshot_values *ret)
{
	values_of(&b->total, ret);
}
