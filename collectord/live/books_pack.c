/* collectord/live/books_pack.c - a process's books to and from a checkpoint; declared in books.h.
 *
 * Books may change as they like: what is packed are structs of its own, which only grow (state.h).  What comes back
 * is checked as far as anything follows from it: indices, lengths, bits.  The sums are only numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "collectord/live/books.h"
#include "collectord/live/parts.h"

struct packed_books {
	uint32_t n_buckets, n_shared, n_points, series_broken;
	uint64_t n_words, peak_elapsed_ns, cells_left;
	uint64_t start_ns, interval_ns, end_ns; /* of the series */
};

struct packed_sums {
	uint64_t count, bytes;
	u128 var_count, var_bytes;
};

struct packed_bucket {
	uint64_t frames;
	uint32_t n_frames, flags, epoch, peak_generation, stack, pad;
	uint64_t allocs, frees, inherits, pad2;
	struct packed_sums alloc, freed, inherited, peak;
	uint64_t lifetimes, unused, sizes, unused2; /* classes; their cells follow */
	uint64_t temporary_count, temporary_bytes, undated, inherited_ns;
	u128 births;
};

static_assert(sizeof(struct packed_books) == 64 && sizeof(struct packed_bucket) == 336,
	      "they grow at their ends, and with STATE_MINOR");
static_assert(sizeof(struct snapshot_point) == 64, "grew: its new fields come at its end, and with STATE_MINOR");

static struct packed_sums packed_sums(const struct books_sums *s)
{
	return (struct packed_sums){ s->count, s->bytes, s->var_count, s->var_bytes };
}

static struct books_sums unpacked_sums(const struct packed_sums *s)
{
	return (struct books_sums){ s->count, s->bytes, s->var_count, s->var_bytes };
}

static struct packed_bucket packed_bucket(const struct bucket *k)
{
	const struct detail *d = &k->detail;

	return (struct packed_bucket){
		.frames = k->frames,
		.n_frames = k->n_frames,
		.flags = k->flags,
		.epoch = k->epoch,
		.peak_generation = k->peak_generation,
		.stack = k->stack,
		.allocs = k->allocs,
		.frees = k->frees,
		.inherits = k->inherits,
		.alloc = packed_sums(&k->alloc),
		.freed = packed_sums(&k->freed),
		.inherited = packed_sums(&k->inherited),
		.peak = packed_sums(&k->peak),
		.lifetimes = d->lifetimes.classes,
		.sizes = d->sizes.classes,
		.temporary_count = d->temporary_count,
		.temporary_bytes = d->temporary_bytes,
		.undated = d->undated,
		.inherited_ns = d->inherited_ns,
		.births = d->births,
	};
}

/* Its histograms are empty yet. */
static struct bucket unpacked_bucket(const struct packed_bucket *p)
{
	return (struct bucket){
		.frames = p->frames,
		.n_frames = p->n_frames,
		.flags = p->flags,
		.epoch = p->epoch,
		.peak_generation = p->peak_generation,
		.stack = p->stack,
		.allocs = p->allocs,
		.frees = p->frees,
		.inherits = p->inherits,
		.alloc = unpacked_sums(&p->alloc),
		.freed = unpacked_sums(&p->freed),
		.inherited = unpacked_sums(&p->inherited),
		.peak = unpacked_sums(&p->peak),
		.detail = {
			.temporary_count = p->temporary_count,
			.temporary_bytes = p->temporary_bytes,
			.undated = p->undated,
			.inherited_ns = p->inherited_ns,
			.births = p->births,
		},
	};
}

static size_t cells_size(const struct histogram *h, unsigned columns)
{
	return (size_t)histogram_used(h) * columns * sizeof(*h->cells);
}

static void pack_histogram(const struct histogram *h, unsigned columns, struct pack_writer *w)
{
	pack_put(w, h->cells, cells_size(h, columns));
}

static void pack_bucket(const struct bucket *k, struct pack_writer *w)
{
	const struct packed_bucket head = packed_bucket(k);
	const struct detail *d = &k->detail;

	part_put(w, PART_BUCKET, &head, sizeof(head),
		 cells_size(&d->lifetimes, LIFETIME_COLUMNS) + cells_size(&d->sizes, SIZE_COLUMNS));
	pack_histogram(&d->lifetimes, LIFETIME_COLUMNS, w);
	pack_histogram(&d->sizes, SIZE_COLUMNS, w);
	part_end(w);
}

static void pack_array(struct pack_writer *w, enum part_kind kind, const void *items, size_t size, size_t n)
{
	part_put_array(w, kind, size, n);
	pack_put(w, items, size * n);
	part_end(w);
}

static void pack_shared(const struct books *b, struct pack_writer *w)
{
	part_put_array(w, PART_SHARED, sizeof(uint32_t), b->n_shared);
	for (uint32_t id = 1; b->n_shared && id < b->stack_slots; id++)
		if (b->bucket_of[id] == 1)
			pack_put(w, &id, sizeof(id));
	part_end(w);
}

void books_pack(const struct books *b, struct pack_writer *w)
{
	const struct packed_books head = {
		.n_buckets = b->n_buckets,
		.n_shared = b->n_shared,
		.n_points = b->series.s.n_points,
		.series_broken = b->series.broken,
		.n_words = b->n_words,
		.peak_elapsed_ns = b->peak_elapsed_ns,
		.cells_left = b->cells_left,
		.start_ns = b->series.s.start_ns,
		.interval_ns = b->series.s.interval_ns,
		.end_ns = b->series.end_ns,
	};

	const struct packed_bucket total = packed_bucket(&b->total);

	part_put(w, PART_BOOKS, &head, sizeof(head), 0);
	part_end(w);
	part_put(w, PART_TOTAL, &total, sizeof(total), 0);
	part_end(w);
	pack_array(w, PART_WORDS, b->words, sizeof(*b->words), b->n_words);
	pack_array(w, PART_POINTS, b->series.s.points, sizeof(*b->series.s.points), b->series.s.n_points);
	for (uint32_t i = 0; i < b->n_buckets; i++)
		pack_bucket(&b->buckets[i], w);
	pack_shared(b, w);
}

/* --- and back --------------------------------------------------------------------------------------------------
 */

/* Room is what histogram_put() would have made: the next power of two. */
static int unpack_histogram(struct histogram *h, uint64_t set, unsigned classes, unsigned columns,
			    struct pack_reader *r)
{
	const struct histogram found = { .classes = set };
	size_t room = 1, n = histogram_used(&found), size = cells_size(&found, columns);
	const void *from;
	uint64_t *cells;

	if (set >> classes)
		return -EBADMSG;
	if (n == 0)
		return 0;
	from = pack_take(r, size);
	if (!from)
		return -EBADMSG;
	while (room < n)
		room *= 2;
	cells = calloc(room * columns, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	memcpy(cells, from, size);
	*h = (struct histogram){ set, cells };
	return 0;
}

static bool bucket_ok(const struct books *b, const struct packed_bucket *p, bool is_first)
{
	return p->frames <= b->n_words && p->n_frames <= b->n_words - p->frames && p->stack < b->stack_slots &&
	       !b->bucket_of[p->stack] && is_first == (p->stack == 0);
}

static int unpack_bucket(struct books *b, uint32_t i, struct pack_reader *r)
{
	struct bucket *k = &b->buckets[i];
	struct packed_bucket head;
	int e = part_get(r, PART_BUCKET, &head, sizeof(head));

	if (!e && !bucket_ok(b, &head, i == 0))
		e = -EBADMSG;
	if (e)
		return e;
	*k = unpacked_bucket(&head);
	b->n_buckets = i + 1;
	b->bucket_of[k->stack] = i + 1;
	e = unpack_histogram(&k->detail.lifetimes, head.lifetimes, LIFETIME_CLASSES, LIFETIME_COLUMNS, r);
	if (!e)
		e = unpack_histogram(&k->detail.sizes, head.sizes, SIZE_CLASSES, SIZE_COLUMNS, r);
	part_leave(r);
	return e;
}

static int unpack_buckets(struct books *b, uint32_t n, struct pack_reader *r)
{
	int e = 0;

	if (n == 0 || n > b->stack_slots)
		return -EBADMSG;
	b->cap_buckets = 64;
	while (b->cap_buckets < n)
		b->cap_buckets *= 2;
	free(b->buckets);
	b->n_buckets = 0;
	b->bucket_of[0] = 0;
	b->buckets = calloc(b->cap_buckets, sizeof(*b->buckets));
	if (!b->buckets)
		return -ENOMEM;
	for (uint32_t i = 0; !e && i < n; i++)
		e = unpack_bucket(b, i, r);
	return e;
}

static int unpack_shared(struct books *b, uint32_t n, struct pack_reader *r)
{
	void *all = NULL;
	int e = part_get_array(r, PART_SHARED, n, sizeof(uint32_t), n, &all);

	for (uint32_t i = 0; !e && i < n; i++) {
		const uint32_t id = ((const uint32_t *)all)[i];

		if (id >= b->stack_slots || b->bucket_of[id])
			e = -EBADMSG;
		else
			books_share(b, id);
	}
	free(all);
	return e;
}

static int unpack_series(struct series *v, const struct packed_books *head, struct pack_reader *r)
{
	void *points;
	int e;

	if (head->n_points > SERIES_POINTS || (head->n_points && !head->interval_ns) ||
	    (!head->n_points && head->end_ns))
		return -EBADMSG;
	e = part_get_array(r, PART_POINTS, head->n_points, sizeof(*v->s.points), head->n_points, &points);
	if (e)
		return e;
	*v = (struct series){
		.s = { head->start_ns, head->interval_ns, points, head->n_points },
		.cap = head->n_points ? head->n_points : 1,
		.broken = head->series_broken != 0,
		.end_ns = head->end_ns,
	};
	return 0;
}

/* It has no details. */
static int unpack_total(struct books *b, struct pack_reader *r)
{
	struct packed_bucket total;
	int e = part_get(r, PART_TOTAL, &total, sizeof(total));

	if (e)
		return e;
	b->total = unpacked_bucket(&total);
	part_leave(r);
	return 0;
}

static int unpack_words(struct books *b, uint64_t n, uint64_t max, struct pack_reader *r)
{
	void *words;
	int e = n > max ? -EBADMSG : part_get_array(r, PART_WORDS, n, sizeof(*b->words), n, &words);

	if (e)
		return e;
	b->words = words;
	b->n_words = n;
	b->cap_words = n ? n : 1;
	return 0;
}

int books_unpack(struct books *b, uint32_t stack_slots, uint64_t max_words, struct pack_reader *r)
{
	struct packed_books head = { 0 };
	int e = books_init(b, stack_slots);

	if (!e)
		e = part_get(r, PART_BOOKS, &head, sizeof(head));
	if (!e)
		part_leave(r);
	if (!e)
		e = unpack_total(b, r);
	if (!e)
		e = unpack_words(b, head.n_words, max_words, r);
	if (!e)
		e = unpack_series(&b->series, &head, r);
	if (!e)
		e = unpack_buckets(b, head.n_buckets, r);
	if (!e)
		e = unpack_shared(b, head.n_shared, r);
	if (e) {
		books_done(b);
		return e;
	}
	b->peak_elapsed_ns = head.peak_elapsed_ns;
	b->cells_left = head.cells_left;
	return 0;
}
