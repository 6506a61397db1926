/* collectord/live/drain_spill.c - the spill counters' part of drain.h: when they are read, and what they gained.
 *
 * A slot of a dead process is given back in two steps: what it held is entered and logged, and only when that is
 * committed the slot is emptied.  Whoever is killed in between finds in the log that it was meant to be. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "collectord/live/drain_impl.h"
#include "common/testpoint.h"

#define SPILL_INTERVAL_NS 50000000 /* between readings of the spill table */

static uint32_t procs_claimed(const struct abi_region *r)
{
	uint32_t n = load_relaxed(&r->cursors->procs);

	return n == 0 ? 1 : n < r->geo.procs ? n : r->geo.procs;
}

static uint64_t spilled_by_all(const struct drain *d)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < procs_claimed(d->region); i++)
		sum += load_relaxed(&d->region->procs[i].spilled);
	return sum;
}

bool drain_spill_is_quiet(const struct drain *d)
{
	return !d->spill_settling && spilled_by_all(d) == d->spilled_mark;
}

/* The counters are read when some process's `spilled` moved, and once more after that: a writer may have been
 * between its counter and the sums.  Not too often: under pressure the table is large. */
bool drain_spill_due(struct drain *d, uint64_t now_ns)
{
	uint64_t sum;
	bool moved, due;

	if (now_ns < d->spill_not_before_ns)
		return false;
	sum = spilled_by_all(d);
	moved = sum != d->spilled_mark;
	due = moved || d->spill_settling;
	d->spilled_mark = sum;
	d->spill_settling = moved;
	if (due)
		d->spill_not_before_ns = now_ns + SPILL_INTERVAL_NS;
	return due;
}

/* Differences modulo 2^64, field by field: struct spill_sums is all uint64_t. */
static bool gain_of(const struct spill_sums *now, const struct spill_sums *seen, struct spill_sums *ret)
{
	const uint64_t *a = (const uint64_t *)now, *b = (const uint64_t *)seen;
	uint64_t *out = (uint64_t *)ret, any = 0;

	static_assert(sizeof(*now) % sizeof(*a) == 0, "spill_sums is an array of uint64_t");
	for (size_t i = 0; i < sizeof(*now) / sizeof(*a); i++) {
		out[i] = a[i] - b[i];
		any |= out[i];
	}
	return any != 0;
}

bool drain_spill_ready(struct drain *d)
{
	uint32_t n = d->region->geo.spill_slots;

	if (!d->spill_used)
		d->spill_used = calloc(n / 64 + 1, sizeof(*d->spill_used));
	if (!d->spill_seen)
		d->spill_seen = calloc(n, sizeof(*d->spill_seen));
	return d->spill_used && d->spill_seen;
}

/* False: no memory, it stays where it is and has to be found again. */
static bool note_over(struct drain *d, uint32_t slot)
{
	uint32_t cap = d->cap_spill_over ? 2 * d->cap_spill_over : 64;
	uint32_t *grown;

	if (d->n_spill_over == d->cap_spill_over) {
		grown = reallocarray(d->spill_over, cap, sizeof(*grown));
		if (!grown)
			return false;
		d->spill_over = grown;
		d->cap_spill_over = cap;
	}
	d->spill_over[d->n_spill_over++] = slot;
	return true;
}

/* Nothing was seen of what comes into it next. */
static void forget_seen(struct drain *d, uint32_t slot)
{
	d->spill_seen[slot] = (struct spill_sums){ 0 };
	d->spill_used[slot / 64] &= ~(1ull << slot % 64);
}

/* A slot may be there twice: it is emptied as long as it is a dead process's, and that one's ordinal is not yet
 * another's.  If it is not, it was emptied before, by us or by who was killed. */
void drain_spill_release(struct drain *d)
{
	struct spill_sums sums;
	uint32_t proc, stack;

	for (uint32_t i = 0; i < d->n_spill_over; i++) {
		uint32_t slot = d->spill_over[i];
		struct ledger *g = NULL;

		if (spill_read(d->region, slot, &proc, &stack, &sums) && proc < d->region->geo.procs)
			g = d->ledger_of(d->arg, proc, NULL);
		if (g && g->is_closing)
			spill_release(d->region, slot);
		forget_seen(d, slot);
		TEST_POINT(spill_given_back);
	}
	d->n_spill_over = 0;
}

/* The log says that somebody claimed the slot anew: it had been given back. */
static void replay_release(struct drain *d, uint32_t slot)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < d->n_spill_over; i++)
		if (d->spill_over[i] != slot)
			d->spill_over[kept++] = d->spill_over[i];
	d->n_spill_over = kept;
	forget_seen(d, slot);
}

static void log_spill(struct drain *d, const struct record_spill *r)
{
	struct record_spill *to = state_add(d->state, RECORD_SPILL, sizeof(*r));

	if (to)
		*to = *r;
}

static int enter_gain(struct drain *d, struct ledger *g, const struct record_spill *r)
{
	struct bucket *k = g ? drain_bucket(d, &g->books, r->stack) : NULL;
	const struct spill_sums *gain = &r->gain;

	if (!k)
		return -EBADMSG;
	g->spilled += gain->alloc.events + gain->freed.events + gain->inherited.events;
	books_spill(&g->books, k, gain, r->time_ns);
	return 0;
}

static void enter_spill(struct drain *d, uint32_t slot, uint64_t now_ns)
{
	struct record_spill r = { .slot = slot, .time_ns = now_ns };
	struct spill_sums now;
	struct ledger *g = NULL;
	bool begun, moved;

	if (!spill_read(d->region, slot, &r.proc, &r.stack, &now))
		return;
	moved = gain_of(&now, &d->spill_seen[slot], &r.gain);
	if (r.proc < d->region->geo.procs && r.stack < d->region->geo.stack_slots)
		g = d->ledger_of(d->arg, r.proc, moved ? &begun : NULL);
	if (moved && !g && d->is_short)
		return;
	d->spill_seen[slot] = now;
	if (moved && enter_gain(d, g, &r)) {
		d->corrupt++;
		r.flags |= SPILL_REFUSED;
	}
	if (g && g->is_closing && note_over(d, slot))
		r.flags |= SPILL_OVER;
	else if (g && g->is_closing)
		d->is_short = true;
	if (!moved && !r.flags)
		return;
	if (!drain_spill_is_used(d, slot))
		r.flags |= SPILL_FIRST;
	drain_spill_mark(d, slot);
	log_spill(d, &r);
}

/* Walks the file's data, not its holes: the table is large and mostly untouched, and reading a hole fills it. */
void drain_spill(struct drain *d, uint64_t now_ns)
{
	const struct abi_region *r = d->region;
	const off_t start = (char *)r->spill - (char *)r->header, size = sizeof(struct abi_spill);
	const off_t end = start + (off_t)r->geo.spill_slots * size;
	off_t data, hole;

	for (off_t at = start; at < end; at = hole) {
		data = lseek(d->memfd, at, SEEK_DATA);
		if (data < 0 || data >= end)
			return;
		hole = lseek(d->memfd, data, SEEK_HOLE);
		if (hole < 0 || hole > end)
			hole = end;
		if (!drain_spill_ready(d)) {
			d->is_short = d->spill_settling = true;
			return;
		}
		for (off_t i = (data - start) / size; i < (hole - start) / size; i++)
			enter_spill(d, (uint32_t)i, now_ns);
	}
}

static bool add_gain(struct spill_sums *seen, const struct spill_sums *gain)
{
	const uint64_t *from = (const uint64_t *)gain;
	uint64_t *to = (uint64_t *)seen, any = 0;

	for (size_t i = 0; i < sizeof(*seen) / sizeof(*to); i++) {
		to[i] += from[i];
		any |= from[i];
	}
	return any != 0;
}

int drain_replay_spill(struct drain *d, struct ledger *g, const struct record_spill *r)
{
	bool moved;

	if (r->slot >= d->region->geo.spill_slots)
		return -EBADMSG;
	if (!drain_spill_ready(d))
		return -ENOMEM;
	if (r->flags & SPILL_FIRST)
		replay_release(d, r->slot);
	moved = add_gain(&d->spill_seen[r->slot], &r->gain);
	drain_spill_mark(d, r->slot);
	if (r->flags & SPILL_REFUSED)
		d->corrupt++;
	else if (r->stack >= d->region->geo.stack_slots || (moved && enter_gain(d, g, r)))
		return -EBADMSG;
	if (!(r->flags & SPILL_OVER))
		return 0;
	if (!g)
		return -EBADMSG;
	g->is_closing = true;
	return note_over(d, r->slot) ? 0 : -ENOMEM;
}
