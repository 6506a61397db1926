/* collectord/live/books_pack.c - a process's books to and from a checkpoint; declared in books.h.
 *
 * Structs go as they lie in memory, what they point to follows.  What comes back is checked as far as anything
 * follows from it: indices, lengths, bits.  The sums are only numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "collectord/live/books.h"
#include "collectord/live/pack.h"
#include "collectord/live/state.h"

/* Who changes one of them changes what a state memfd says: another STATE_VERSION. */
static_assert(STATE_VERSION == 2 && sizeof(struct bucket) == 336 && sizeof(struct snapshot_point) == 64 &&
		      sizeof(struct histogram) == 16,
	      "books as they are packed changed");

struct packed_books {
	uint32_t n_buckets, n_shared, n_points, series_broken;
	uint64_t n_words, peak_elapsed_ns, cells_left;
	uint64_t start_ns, interval_ns, end_ns; /* of the series */
};

static void pack_histogram(const struct histogram *h, unsigned columns, struct pack_writer *w)
{
	pack_put(w, h->cells, (size_t)histogram_used(h) * columns * sizeof(*h->cells));
}

static void pack_bucket(const struct bucket *k, struct pack_writer *w)
{
	pack_put(w, k, sizeof(*k));
	pack_histogram(&k->detail.lifetimes, LIFETIME_COLUMNS, w);
	pack_histogram(&k->detail.sizes, SIZE_COLUMNS, w);
}

static void pack_shared(const struct books *b, struct pack_writer *w)
{
	for (uint32_t id = 1; b->n_shared && id < b->stack_slots; id++)
		if (b->bucket_of[id] == 1)
			pack_put(w, &id, sizeof(id));
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

	pack_put(w, &head, sizeof(head));
	pack_put(w, &b->total, sizeof(b->total));
	pack_put(w, b->words, b->n_words * sizeof(*b->words));
	pack_put(w, b->series.s.points, b->series.s.n_points * sizeof(*b->series.s.points));
	for (uint32_t i = 0; i < b->n_buckets; i++)
		pack_bucket(&b->buckets[i], w);
	pack_shared(b, w);
}

/* --- and back --------------------------------------------------------------------------------------------------
 */

/* A copy of `n` items of `size` bytes; NULL for none of them, too: then the reader is bad, or memory is. */
static void *unpack_array(struct pack_reader *r, size_t n, size_t size, size_t room)
{
	const void *from = pack_take(r, n * size);
	void *to = from ? calloc(room ? room : 1, size) : NULL;

	if (to)
		memcpy(to, from, n * size);
	return to;
}

/* Room is what histogram_put() would have made: the next power of two. */
static int unpack_histogram(struct histogram *h, unsigned classes, unsigned columns, struct pack_reader *r)
{
	unsigned n = histogram_used(h), room = 1;

	h->cells = NULL;
	if (h->classes >> classes)
		return -EBADMSG;
	if (n == 0)
		return 0;
	while (room < n)
		room *= 2;
	h->cells = unpack_array(r, (size_t)n * columns, sizeof(*h->cells), (size_t)room * columns);
	return h->cells ? 0 : r->bad ? -EBADMSG : -ENOMEM;
}

static int unpack_details(struct bucket *k, struct pack_reader *r)
{
	struct histogram *sizes = &k->detail.sizes;
	const uint64_t size_classes = sizes->classes;
	int e;

	*sizes = (struct histogram){ 0 }; /* whole at every moment: books_done() may come */
	e = unpack_histogram(&k->detail.lifetimes, LIFETIME_CLASSES, LIFETIME_COLUMNS, r);
	if (e) {
		k->detail.lifetimes = (struct histogram){ 0 };
		return e;
	}
	sizes->classes = size_classes;
	e = unpack_histogram(sizes, SIZE_CLASSES, SIZE_COLUMNS, r);
	if (e)
		*sizes = (struct histogram){ 0 };
	return e;
}

static int unpack_bucket(struct books *b, uint32_t i, struct pack_reader *r)
{
	struct bucket *k = &b->buckets[i];

	if (!pack_get(r, k, sizeof(*k)))
		return -EBADMSG;
	b->n_buckets = i + 1;
	if (unpack_details(k, r))
		return r->bad ? -EBADMSG : -ENOMEM;
	if (k->frames > b->n_words || k->n_frames > b->n_words - k->frames || k->stack >= b->stack_slots ||
	    b->bucket_of[k->stack] || (i == 0) != (k->stack == 0))
		return -EBADMSG;
	b->bucket_of[k->stack] = i + 1;
	return 0;
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
	for (uint32_t i = 0, id; i < n; i++) {
		if (!pack_get(r, &id, sizeof(id)) || id >= b->stack_slots || b->bucket_of[id])
			return -EBADMSG;
		books_share(b, id);
	}
	return 0;
}

static int unpack_series(struct series *v, const struct packed_books *head, struct pack_reader *r)
{
	if (head->n_points > SERIES_POINTS || (head->n_points && !head->interval_ns))
		return -EBADMSG;
	*v = (struct series){
		.s = { .start_ns = head->start_ns, .interval_ns = head->interval_ns, .n_points = head->n_points },
		.broken = head->series_broken != 0,
		.end_ns = head->end_ns,
	};
	if (!head->n_points)
		return head->end_ns ? -EBADMSG : 0;
	v->cap = head->n_points;
	v->s.points = unpack_array(r, head->n_points, sizeof(*v->s.points), v->cap);
	if (!v->s.points)
		v->s.n_points = 0;
	return v->s.points ? 0 : r->bad ? -EBADMSG : -ENOMEM;
}

/* Nothing but numbers may be in the total: it has no details. */
static int unpack_total(struct books *b, struct pack_reader *r)
{
	if (!pack_get(r, &b->total, sizeof(b->total)))
		return -EBADMSG;
	memset(&b->total.detail, 0, sizeof(b->total.detail));
	return 0;
}

static int unpack_words(struct books *b, uint64_t n, uint64_t max, struct pack_reader *r)
{
	if (n > max)
		return -EBADMSG;
	b->words = unpack_array(r, n, sizeof(*b->words), n);
	if (!b->words)
		return r->bad ? -EBADMSG : -ENOMEM;
	b->n_words = b->cap_words = n;
	return 0;
}

int books_unpack(struct books *b, uint32_t stack_slots, uint64_t max_words, struct pack_reader *r)
{
	struct packed_books head = { 0 };
	int e = books_init(b, stack_slots);

	if (!e)
		e = pack_get(r, &head, sizeof(head)) ? unpack_total(b, r) : -EBADMSG;
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
