/* tests/unit/shim_paused.c - the collector stands still for the whole run, and the ring is one page.
 *
 * Both ends of a real region: eight threads call the shim's cold twins, and only when they are done the collector's
 * drain comes by, once.  Oracle: what each thread counted itself, by the function that allocated.  How long the
 * pause is stands in rounds, not in seconds: the lane is full after 64 events, whatever comes then is spilled. */
#include <pthread.h>
#include <unistd.h>

#include "preload/record.h"
#include "preload/unwind.h"
#include "tests/unit/drain_rig.h"
#include "tests/unit/shim_arm.h"

#define THREADS 8
#define ROUNDS 50000
#define LANE_EVENTS 64
#define SITES 4

TestSuite(paused, .timeout = 120);

static struct rig g;

static void setup(uint32_t on_full)
{
	struct abi_geometry geo = small_geometry();

	geo.lanes = 1;
	geo.lane_events = LANE_EVENTS;
	geo.stack_words = 8192;
	geo.modules = 64;
	geo.strings = 8192;
	cr_assert_leq(geo.lanes * geo.lane_events * sizeof(struct abi_event), ABI_PAGE);
	rig_init(&g, geo);
	store_relaxed(&g.r->control->on_full, on_full);
	cr_assert_eq(unwind_init(g.r, environ), 0);
	arm(g.r);
}

/* --- the program -----------------------------------------------------------------------------------------------
 */

struct block {
	uint32_t site;
	size_t size;
};

#define SITE(n)                                                      \
	static __attribute__((noinline)) void *site_##n(size_t size) \
	{                                                            \
		struct block *b = record_malloc(size);               \
                                                                     \
		*b = (struct block){ n, size };                      \
		return b;                                            \
	}
SITE(0)
SITE(1)
SITE(2)
SITE(3)

static void *(*const sites[SITES])(size_t) = { site_0, site_1, site_2, site_3 };

struct counted {
	uint64_t allocs, frees, alloc_bytes, free_bytes;
};

struct worker {
	uint64_t seed;
	struct counted of[SITES];
};

static pthread_barrier_t start;      /* all eight are at the lane while it fills */
static struct block *hand_over[256]; /* what is in it at the end stays in use */

/* Allocate a block and free another, mostly some other thread's. */
static void step(struct worker *w)
{
	uint64_t x = w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	uint32_t site = (uint32_t)(x >> 62);
	size_t size = sizeof(struct block) + (x >> 40) % 1000;
	struct block *b = sites[site](size);

	w->of[site].allocs++;
	w->of[site].alloc_bytes += size;
	b = __atomic_exchange_n(&hand_over[(x >> 52) % 256], b, __ATOMIC_ACQ_REL);
	if (!b)
		return;
	w->of[b->site].frees++;
	w->of[b->site].free_bytes += b->size;
	record_free(b);
}

static void *work(void *arg)
{
	pthread_barrier_wait(&start);
	for (int i = 0; i < ROUNDS; i++)
		step(arg);
	return NULL;
}

/* Returns the number of events; ret[SITES] is what the threads counted. */
static uint64_t run(struct counted *ret)
{
	struct worker workers[THREADS] = { 0 };
	pthread_t threads[THREADS];
	uint64_t events = 0;

	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].seed = i + 1;
		cr_assert_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		for (uint32_t s = 0; s < SITES; s++) {
			const struct counted *c = &workers[i].of[s];

			ret[s].allocs += c->allocs;
			ret[s].frees += c->frees;
			ret[s].alloc_bytes += c->alloc_bytes;
			ret[s].free_bytes += c->free_bytes;
			events += c->allocs + c->frees;
		}
	}
	return events;
}

/* --- the collector ---------------------------------------------------------------------------------------------
 */

/* Whose call a stack's leaf is: the nearest function that begins before it. */
static uint32_t site_of(uint64_t leaf)
{
	uint32_t best = SITES;
	uint64_t least = 512; /* none of them is that long */

	for (uint32_t s = 0; s < SITES; s++)
		if (leaf - (uintptr_t)sites[s] < least) {
			least = leaf - (uintptr_t)sites[s];
			best = s;
		}
	cr_assert_lt(best, SITES, "a stack from nowhere: %lx", leaf);
	return best;
}

static void add_values(struct snapshot_values *sum, const struct snapshot_values *v)
{
	sum->allocs += v->allocs;
	sum->frees += v->frees;
	sum->alloc_count += v->alloc_count;
	sum->alloc_bytes += v->alloc_bytes;
	sum->free_count += v->free_count;
	sum->free_bytes += v->free_bytes;
}

/* By site; returns of how many events the snapshot says that their moment is not known. */
static uint64_t read_books(struct snapshot_values *ret)
{
	const struct books *b = &g.ledgers[0].books;
	uint64_t undated = 0;

	for (uint32_t i = 0; i < b->n_buckets; i++) {
		struct snapshot_values v;
		struct snapshot_detail d;

		books_values(b, &b->buckets[i], &v);
		books_detail(&b->buckets[i], 1, &d);
		undated += d.undated;
		if (v.allocs + v.frees)
			add_values(&ret[site_of(b->words[b->buckets[i].frames])], &v);
	}
	return undated;
}

static void expect_equal(const struct counted *want)
{
	struct snapshot_values got[SITES] = { 0 };

	cr_expect_eq(read_books(got), g.ledgers[0].spilled);
	for (uint32_t s = 0; s < SITES; s++) {
		cr_expect_eq(got[s].allocs, want[s].allocs, "site %u: %lu, not %lu", s, got[s].allocs,
			     want[s].allocs);
		cr_expect_eq(got[s].frees, want[s].frees, "site %u: %lu, not %lu", s, got[s].frees, want[s].frees);
		cr_expect_eq(got[s].alloc_count, want[s].allocs << 16, "site %u", s);
		cr_expect_eq(got[s].free_count, want[s].frees << 16, "site %u", s);
		cr_expect_eq(got[s].alloc_bytes, want[s].alloc_bytes << 8, "site %u", s);
		cr_expect_eq(got[s].free_bytes, want[s].free_bytes << 8, "site %u", s);
	}
}

static void expect_audit(uint64_t drained, uint64_t spilled)
{
	uint64_t told = load_relaxed(&g.r->procs[0].spilled);
	struct snapshot_audit a;

	drain_audit(&g.d, 0, &g.ledgers[0], &a);
	cr_expect_eq(a.drained, drained, "%lu drained, not %lu", a.drained, drained);
	cr_expect_eq(a.spilled, spilled, "%lu spilled, not %lu", a.spilled, spilled);
	cr_expect_eq(told, spilled, "the writers say %lu, not %lu", told, spilled);
	cr_expect_eq(a.untracked + a.stack_full + a.spill_full + a.corrupt, 0, "nothing was lost on the way");
}

static void pause_and_compare(uint32_t on_full)
{
	struct counted want[SITES] = { 0 };
	struct worker late = { .seed = 99 };
	uint64_t events;

	setup(on_full);
	events = run(want);
	cr_assert_gt(events, THREADS * ROUNDS);
	cr_assert_eq(drain_all(&g.d, 1000000000), 0);
	expect_audit(LANE_EVENTS, events - LANE_EVENTS);
	expect_equal(want);
	step(&late);
	cr_assert_eq(drain_all(&g.d, 2000000000), 0);
	expect_audit(LANE_EVENTS + 2, events - LANE_EVENTS);
	rig_done(&g);
}

Test(paused, a_ring_of_one_page_loses_no_total_to_eight_threads)
{
	pause_and_compare(ABI_ON_FULL_SPILL);
}

Test(paused, a_wait_for_nobody_loses_none_either)
{
	pause_and_compare(ABI_ON_FULL_WAIT);
}
