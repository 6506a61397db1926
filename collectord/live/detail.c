/* collectord/live/detail.c - see detail.h. */
#include "collectord/live/detail.h"

static uint64_t *cells_of(struct histogram *h, unsigned class, unsigned columns, uint64_t *left)
{
	bool is_new = !histogram_has(h, class);
	uint64_t *cells = is_new && *left < columns ? NULL : histogram_put(h, class, columns);

	*left -= is_new && cells ? columns : 0;
	return cells;
}

static void add_lifetime(struct detail *d, const struct abi_event *e, const struct weight *w, uint64_t *left)
{
	uint64_t ns = e->time_ns > e->born_ns ? e->time_ns - e->born_ns : 0; /* coarse clocks of two threads */
	uint64_t *cell =
		cells_of(&d->lifetimes, histogram_class(ns / NS_PER_MS, LIFETIME_CLASSES), LIFETIME_COLUMNS, left);

	if (cell)
		*cell += w->count;
	else
		d->undated++;
}

static void add_size(struct detail *d, uint64_t size, uint64_t allocated, uint64_t in_use, uint64_t *left)
{
	uint64_t *cells = cells_of(&d->sizes, histogram_class(size, SIZE_CLASSES), SIZE_COLUMNS, left);

	if (!cells) {
		d->undated++;
		return;
	}
	cells[SIZE_ALLOCATED] += allocated;
	cells[SIZE_IN_USE] += in_use;
}

/* With undated events the births are approximate; where nothing is in use, they are known again. */
static void settle(struct detail *d, uint64_t in_use)
{
	if (d->undated && !in_use)
		d->births = 0;
}

/* What is older than the moment it was inherited at was entered with that moment. */
static uint64_t birth(const struct detail *d, const struct abi_event *e)
{
	return e->kind == ABI_EVENT_FREE && e->born_ns < d->inherited_ns ? d->inherited_ns : e->born_ns;
}

void detail_event(struct detail *d, const struct abi_event *e, const struct weight *w, uint64_t in_use,
		  uint64_t *cells_left)
{
	u128 births = (u128)w->count * birth(d, e);

	if (e->kind == ABI_EVENT_FREE) {
		d->births -= births;
		add_size(d, e->size, 0, -w->count, cells_left);
		add_lifetime(d, e, w, cells_left);
		if (e->flags & ABI_EVENT_TEMPORARY) {
			d->temporary_count += w->count;
			d->temporary_bytes += w->bytes;
		}
	} else {
		d->births += births;
		add_size(d, e->size, e->kind == ABI_EVENT_ALLOC ? w->count : 0, w->count, cells_left);
	}
	settle(d, in_use);
}

/* Objects of one size come out at this size, up to a weight's precision: 2^-17.  What that leaves just below a
 * power of two is taken for it, the commoner size. */
static uint64_t mean_size(const struct weight *w)
{
	const unsigned shift = WEIGHT_COUNT_SHIFT - WEIGHT_BYTES_SHIFT;
	uint64_t size = (uint64_t)((((u128)w->bytes << shift) + w->count / 2) / w->count);

	return size + (size >> 16);
}

static void add_mean_size(struct detail *d, const struct weight *w, uint64_t allocated, uint64_t in_use,
			  uint64_t *left)
{
	if (w->count)
		add_size(d, mean_size(w), allocated, in_use, left);
}

/* Time of birth of the mean of `in_use` objects. */
static uint64_t mean_birth(const struct detail *d, uint64_t in_use, uint64_t now_ns)
{
	i128 births = (i128)d->births;

	if ((int64_t)in_use <= 0 || births / (i128)in_use > (i128)now_ns)
		return now_ns;
	return births < 0 ? 0 : (uint64_t)(births / (i128)in_use);
}

void detail_gain(struct detail *d, const struct detail_gain *g, uint64_t now_ns, uint64_t in_use,
		 uint64_t *cells_left)
{
	d->undated += g->events;
	if (g->inherited.count)
		d->inherited_ns = now_ns;
	add_mean_size(d, &g->alloc, g->alloc.count, g->alloc.count, cells_left);
	add_mean_size(d, &g->inherited, 0, g->inherited.count, cells_left);
	add_mean_size(d, &g->freed, 0, -g->freed.count, cells_left);
	d->births += (u128)(g->alloc.count + g->inherited.count) * now_ns;
	d->births -= (u128)g->freed.count * mean_birth(d, in_use + g->freed.count, now_ns);
	settle(d, in_use);
}

uint64_t detail_age_ns(const struct detail *d, uint64_t in_use, uint64_t now_ns)
{
	return now_ns - mean_birth(d, in_use, now_ns);
}

void detail_done(struct detail *d)
{
	histogram_done(&d->lifetimes);
	histogram_done(&d->sizes);
}
