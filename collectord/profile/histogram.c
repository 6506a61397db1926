/* collectord/profile/histogram.c - see histogram.h.  Room doubles, so it is full exactly when the number of classes
 * in use is a power of two. */
#include "collectord/profile/histogram.h"

#include <stdlib.h>
#include <string.h>

uint64_t *histogram_put(struct histogram *h, unsigned class, unsigned columns)
{
	unsigned n, at = histogram_place(h, class);
	uint64_t *cells = h->cells;

	if (histogram_has(h, class))
		return cells + (size_t)at * columns;
	n = histogram_used(h);
	if (!(n & (n - 1))) {
		cells = reallocarray(h->cells, n ? 2 * (size_t)n : 1, columns * sizeof(*cells));
		if (!cells)
			return NULL;
		h->cells = cells;
	}
	cells += (size_t)at * columns;
	memmove(cells + columns, cells, (size_t)(n - at) * columns * sizeof(*cells));
	memset(cells, 0, columns * sizeof(*cells));
	h->classes |= 1ull << class;
	return cells;
}

void histogram_sum(const struct histogram *a, const struct histogram *b, unsigned columns, struct histogram *ret,
		   uint64_t *cells)
{
	const struct histogram *from[] = { a, b };
	struct histogram sum = { .classes = a->classes | b->classes, .cells = cells };

	memset(cells, 0, (size_t)histogram_used(&sum) * columns * sizeof(*cells));
	for (size_t i = 0; i < 2; i++) {
		const uint64_t *in = from[i]->cells;

		for (uint64_t left = from[i]->classes; left; left &= left - 1) {
			unsigned class = (unsigned)__builtin_ctzll(left);
			uint64_t *out = cells + (size_t)histogram_place(&sum, class) * columns;

			for (unsigned k = 0; k < columns; k++)
				out[k] += *in++;
		}
	}
	*ret = sum;
}

uint64_t histogram_total(const struct histogram *h, unsigned columns, unsigned column)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < histogram_used(h); i++)
		sum += h->cells[(size_t)i * columns + column];
	return sum;
}

void histogram_done(struct histogram *h)
{
	free(h->cells);
	*h = (struct histogram){ 0 };
}
