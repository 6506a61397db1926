/* collectord/live/drain.c - see drain.h.  Letters: common/abi.h. */
#include "collectord/live/drain.h"

#include <errno.h>
#include <stdlib.h>

#include "collectord/live/drain_impl.h"
#include "common/lane.h"
#include "common/stacktab.h"

#define BUCKET_WORDS 80ull /* a bucket and its usual histograms, in words */
#define FULL_BOOKS 4u      /* processes of a session whose books may be as full as the region's tables */
#define FAR 12u            /* events looked ahead, in three steps: books_expect_index() and what follows it */
#define MIDDLE 8u
#define NEAR 4u
#define MAX_SIZE (1ull << 56) /* weight_of()'s bound; no address space is larger */

/* One lane's part of a pass: copied events [at, n), their times made rising. */
struct cursor {
	uint32_t lane;
	uint32_t at, n;
	struct abi_event *events;
};

void drain_init(struct drain *d, const struct abi_region *region, int memfd, struct drain_scratch *scratch,
		struct ledger *(*ledger_of)(void *arg, uint32_t ordinal, bool *ret_begun), void *arg)
{
	*d = (struct drain){
		.region = region, .memfd = memfd, .scratch = scratch, .ledger_of = ledger_of, .arg = arg
	};
	d->max_words = FULL_BOOKS * (region->geo.stack_words + BUCKET_WORDS * region->geo.stack_slots);
}

void drain_done(struct drain *d)
{
	free(d->spill_seen);
	free(d->spill_used);
	free(d->spill_over);
	d->spill_seen = NULL;
	d->spill_used = NULL;
	d->spill_over = NULL;
}

static uint64_t words_of(const struct books *b)
{
	return b->n_words + (b->n_buckets - 1) * BUCKET_WORDS;
}

void drain_forget(struct drain *d, const struct ledger *g)
{
	d->words -= words_of(&g->books);
}

void drain_remember(struct drain *d, const struct ledger *g)
{
	d->words += words_of(&g->books);
}

/* Children that are forked cost their program nothing, their books cost us: together they are bounded, and then
 * stacks go without names. */
static struct bucket *add_bucket(struct drain *d, struct books *books, uint32_t stack, uint32_t n, uint64_t word)
{
	uint64_t before = words_of(books);
	struct bucket *k;

	if (d->words >= d->max_words)
		return books_share(books, stack);
	k = books_add_stack(books, stack, d->scratch->frames, n, word);
	d->words += words_of(books) - before;
	return k;
}

struct bucket *drain_bucket(struct drain *d, struct books *books, uint32_t stack)
{
	struct bucket *k = books_find(books, stack);
	uint64_t word;
	int n;

	if (k)
		return k;
	n = stack_read(d->region, stack, d->scratch->frames, ABI_MAX_DEPTH, &word);
	if (n < 0 || books->n_words + (uint64_t)n > d->region->geo.stack_words)
		return NULL;
	return add_bucket(d, books, stack, (uint32_t)n, word);
}

static bool is_many(const struct abi_event *e)
{
	return e->kind == ABI_EVENT_INHERITED && e->flags & ABI_EVENT_MANY;
}

static bool event_ok(const struct drain *d, const struct abi_event *e)
{
	const struct abi_geometry *g = &d->region->geo;

	return (e->kind == ABI_EVENT_ALLOC || e->kind == ABI_EVENT_FREE || e->kind == ABI_EVENT_INHERITED) &&
	       e->proc < g->procs && e->stack < g->stack_slots && e->rate >= 1 && e->rate <= ABI_MAX_RATE &&
	       e->size <= MAX_SIZE && (!is_many(e) || e->born_ns <= ABI_MAX_MANY);
}

/* The ledger for an event.  If it begins one, what that process told through spill counters before goes first. */
static struct ledger *ledger_for(struct drain *d, uint32_t proc, uint64_t now_ns)
{
	bool begun = false;
	struct ledger *g = d->ledger_of(d->arg, proc, &begun);

	if (g && begun && load_relaxed(&d->region->procs[proc].spilled))
		drain_spill(d, now_ns);
	/* cppcheck-suppress returnDanglingLifetime ; g is the session's, only the flag is ours */
	return g;
}

static int enter_checked(struct drain *d, struct ledger *g, const struct abi_event *e)
{
	struct bucket *k = g ? drain_bucket(d, &g->books, e->stack) : NULL;
	struct spill_sums many = { 0 };

	if (!k)
		return -EBADMSG;
	g->drained++;
	if (is_many(e)) {
		spill_of(e, &many.inherited);
		books_spill(&g->books, k, &many, e->time_ns);
	} else {
		books_event(&g->books, k, e, e->time_ns);
	}
	return 0;
}

int drain_enter(struct drain *d, struct ledger *g, const struct abi_event *e)
{
	return event_ok(d, e) ? enter_checked(d, g, e) : -EBADMSG;
}

/* The stack of the `n`-th event after the one at hand, if it is of that one's process and of another stack; else 0.
 */
static inline uint32_t stack_ahead(const struct drain *d, const struct cursor *c, uint32_t n)
{
	const struct abi_event *now = &c->events[c->at], *e = now + n;

	if (c->n - c->at <= n || e->proc != now->proc || e->stack == now->stack)
		return 0;
	return e->stack < d->region->geo.stack_slots ? e->stack : 0;
}

static inline void look_ahead(const struct drain *d, const struct cursor *c, const struct books *b)
{
	uint32_t id;

	if ((id = stack_ahead(d, c, FAR)))
		books_expect_index(b, id);
	if ((id = stack_ahead(d, c, MIDDLE)))
		books_expect_bucket(b, id);
	if ((id = stack_ahead(d, c, NEAR)))
		books_expect_cells(b, id);
}

/* False: it has to wait for memory. */
static bool enter(struct drain *d, const struct cursor *c, uint64_t now_ns)
{
	const struct abi_event *e = &c->events[c->at];
	struct ledger *g = event_ok(d, e) ? ledger_for(d, e->proc, now_ns) : NULL;

	if (!g && d->is_short)
		return false;
	if (g)
		look_ahead(d, c, &g->books);
	if (enter_checked(d, g, e))
		d->corrupt++;
	else
		state_event(state_log(d->state), e);
	return true;
}

static uint32_t waiting_lanes(const struct drain *d)
{
	uint32_t n = 0;

	for (uint32_t l = 0; l < d->region->geo.lanes; l++)
		n += load_relaxed(&d->region->lanes[l].head) != d->tails[l];
	return n;
}

/* Times are coarse and taken before the lane was: make them rise, and none later than now. */
static void straighten(struct cursor *c, uint64_t now_ns)
{
	uint64_t last = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		uint64_t *t = &c->events[i].time_ns;

		if (*t > now_ns)
			*t = now_ns;
		if (*t < last)
			*t = last;
		last = *t;
	}
}

/* Copy up to `share` events of `lane`.  *horizon sinks to the last time up to which this lane is known. */
static int open_lane(const struct drain *d, struct cursor *c, uint32_t share, uint64_t now_ns, uint64_t *horizon,
		     struct drain_result *res)
{
	const struct abi_region *r = d->region;
	uint64_t tail = d->tails[c->lane];
	uint64_t fill = load_acquire(&r->lanes[c->lane].head) - tail; /* B, pairs with A */
	int64_t n = lane_copy(r, c->lane, &tail, c->events, share);

	if (n < 0 || fill > r->geo.lane_events)
		return -EBADMSG;
	c->n = (uint32_t)n;
	straighten(c, now_ns);
	if (fill * 100 / r->geo.lane_events > res->fill_pct)
		res->fill_pct = (uint32_t)(fill * 100 / r->geo.lane_events);
	if (fill > c->n && c->n) {
		res->more = true;
		if (c->events[c->n - 1].time_ns < *horizon)
			*horizon = c->events[c->n - 1].time_ns;
	}
	return 0;
}

/* The earliest time at which some cursor stands; UINT64_MAX when all are at their ends. */
static uint64_t earliest(const struct cursor *c, uint32_t n)
{
	uint64_t t = UINT64_MAX;

	for (uint32_t i = 0; i < n; i++)
		if (c[i].at < c[i].n && c[i].events[c[i].at].time_ns < t)
			t = c[i].events[c[i].at].time_ns;
	return t;
}

/* Enter everything up to `horizon`, tick by tick.  The lane that set the horizon is used up, so each pass moves. */
static void merge(struct drain *d, struct cursor *c, uint32_t n, uint64_t horizon, uint64_t now_ns)
{
	uint64_t t;

	while ((t = earliest(c, n)) != UINT64_MAX && t <= horizon)
		for (uint32_t i = 0; i < n; i++)
			for (; c[i].at < c[i].n && c[i].events[c[i].at].time_ns <= t; c[i].at++)
				if (!enter(d, &c[i], now_ns))
					return;
}

static void give_back(struct drain *d, const struct cursor *c, uint32_t n, struct drain_result *res)
{
	for (uint32_t i = 0; i < n; i++) {
		d->tails[c[i].lane] += c[i].at;
		res->events += c[i].at;
		res->more |= c[i].at < c[i].n;
	}
}

static int drain_lanes(struct drain *d, uint64_t now_ns, struct drain_result *res)
{
	struct cursor cursors[ABI_MAX_LANES];
	uint32_t n = 0, waiting = waiting_lanes(d), share;
	uint64_t horizon = UINT64_MAX;

	if (!waiting)
		return 0;
	share = DRAIN_BATCH / waiting;
	for (uint32_t l = 0; l < d->region->geo.lanes && n < waiting; l++) {
		int r;

		if (load_relaxed(&d->region->lanes[l].head) == d->tails[l])
			continue;
		cursors[n] = (struct cursor){ .lane = l, .events = d->scratch->events + (size_t)n * share };
		r = open_lane(d, &cursors[n], share, now_ns, &horizon, res);
		if (r)
			return r;
		n++;
	}
	merge(d, cursors, n, horizon, now_ns);
	give_back(d, cursors, n, res);
	return 0;
}

int drain_pass(struct drain *d, uint64_t now_ns, struct drain_result *ret)
{
	struct drain_result res = { 0 };

	d->is_short = false;
	if (d->is_broken || drain_lanes(d, now_ns, &res)) {
		d->corrupt += !d->is_broken;
		d->is_broken = true;
		return -EBADMSG;
	}
	if (drain_spill_due(d, now_ns))
		drain_spill(d, now_ns);
	drain_commit(d);
	res.more &= !d->is_short;
	if (!res.more && !d->is_short)
		d->emptied_ns = now_ns;
	*ret = res;
	return 0;
}

/* The loads depend on nothing, so that they wait for memory together. */
bool drain_is_quiet(const struct drain *d)
{
	uint64_t moved = 0;

	for (uint32_t l = 0; l < d->region->geo.lanes; l++)
		moved |= load_relaxed(&d->region->lanes[l].head) ^ d->tails[l];
	return !moved && !d->is_broken && drain_spill_is_quiet(d);
}

static bool is_before(const struct drain *d, const uint64_t *heads)
{
	for (uint32_t l = 0; l < d->region->geo.lanes; l++)
		if ((int64_t)(heads[l] - d->tails[l]) > 0)
			return true;
	return false;
}

int drain_all(struct drain *d, uint64_t now_ns)
{
	const struct abi_geometry *geo = &d->region->geo;
	uint64_t heads[ABI_MAX_LANES], passes = 2ull * geo->lanes * geo->lane_events / DRAIN_BATCH + geo->lanes + 2;
	struct drain_result res;
	int r = 0;

	for (uint32_t l = 0; l < geo->lanes; l++)
		heads[l] = load_acquire(&d->region->lanes[l].head); /* B, pairs with A */
	do
		r = drain_pass(d, now_ns, &res);
	while (!r && !d->is_short && --passes && is_before(d, heads));
	drain_spill(d, now_ns);
	drain_commit(d);
	return r;
}

void drain_audit(const struct drain *d, uint32_t ordinal, const struct ledger *g, struct snapshot_audit *ret)
{
	const struct abi_proc *p = &d->region->procs[ordinal];

	*ret = (struct snapshot_audit){
		.drained = g->drained,
		.spilled = g->spilled,
		.corrupt = ordinal ? 0 : d->corrupt,
		.samples = g->books.total.allocs,
		.frees = g->books.total.frees,
		.untracked = load_relaxed(&p->untracked),
		.stack_full = load_relaxed(&p->stack_full),
		.truncated = load_relaxed(&p->truncated),
		.module_full = load_relaxed(&p->module_full),
		.spill_full = load_relaxed(&p->spill_full),
		.uncounted = (uint64_t)load_relaxed(&p->counting) * ABI_COUNT_STEP,
		.counted = load_relaxed(&p->allocated), /* behind `counting`: a thread that ends tells first */
		.own_space = load_relaxed(&p->own_space),
	};
}
