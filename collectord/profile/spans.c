/* collectord/profile/spans.c - see spans.h.
 *
 * Sorted by start, each with the highest end so far: a binary search finds the last span that starts at or before
 * an address, and the walk back from there ends as soon as no earlier span reaches that far. */
#include "collectord/profile/spans.h"

#include <errno.h>
#include <stdlib.h>

#include "collectord/profile/arena.h"

int spans_add(struct spans *t, uint64_t start, uint64_t end, uint32_t item)
{
	if (!table_reserve(&t->at, t->n, &t->cap, sizeof(*t->at)))
		return -ENOMEM;
	t->at[t->n++] = (struct span){ .start = start, .end = end, .item = item };
	return 0;
}

/* Of spans with one start the wider comes first: searches walk backwards and meet the inner one before it. */
static int compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

void spans_sort(struct spans *t)
{
	uint64_t max_end = 0;

	if (t->n)
		qsort(t->at, t->n, sizeof(*t->at), compare);
	for (size_t i = 0; i < t->n; i++) {
		max_end = t->at[i].end > max_end ? t->at[i].end : max_end;
		t->at[i].max_end = max_end;
	}
}

void spans_done(struct spans *t)
{
	free(t->at);
	*t = (struct spans){ 0 };
}

/* Walk back from the span before index `i`. */
static const struct span *covering_before(const struct spans *t, size_t i, uint64_t address)
{
	while (i-- && t->at[i].max_end > address)
		if (address < t->at[i].end)
			return &t->at[i];
	return NULL;
}

const struct span *spans_find(const struct spans *t, uint64_t address)
{
	size_t low = 0, high = t->n;

	while (low < high) { /* first span that starts above the address */
		size_t mid = low + (high - low) / 2;

		if (t->at[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return covering_before(t, low, address);
}

const struct span *spans_outer(const struct spans *t, const struct span *s, uint64_t address)
{
	return covering_before(t, (size_t)(s - t->at), address);
}
