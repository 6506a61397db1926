/* tests/unit/test_drain_spill.c - spill counters, audit, overflow by threads, and a region that is vandalised. */
#include <pthread.h>
#include <sys/stat.h>

#include "tests/unit/drain_rig.h"

static void spill(const struct rig *g, struct abi_event e)
{
	spill_add(g->r, &e);
	add_relaxed(&g->r->procs[0].spilled, 1);
}

Test(drain_spill, adds_only_what_spill_counters_gained)
{
	struct rig g;
	uint32_t id;

	rig_init(&g, small_geometry());
	id = stack(&g, 0x1000);
	spill(&g, alloc_event(id, 100));
	pass(&g, 1000000000);
	cr_assert_eq(total(&g).alloc_bytes >> 8, 100);
	spill(&g, alloc_event(id, 7));
	spill(&g, alloc_event(0, 1));
	drain_spill(&g.d, 1);
	drain_spill(&g.d, 2);
	pass(&g, 2000000000);
	cr_assert_eq(total(&g).alloc_bytes >> 8, 108);
	cr_assert_eq(total(&g).allocs, 3);
	cr_assert_eq(g.ledgers[0].spilled, 3);
	cr_assert_eq(g.d.corrupt, 0);
	rig_done(&g);
}

/* The writer has counted the spill but not yet added its sums when the pass comes by. */
Test(drain_spill, looks_again_after_spill_counters_moved)
{
	struct rig g;
	struct abi_event e = alloc_event(0, 50);

	rig_init(&g, small_geometry());
	add_relaxed(&g.r->procs[0].spilled, 1);
	pass(&g, 1000000000);
	spill_add(g.r, &e);
	pass(&g, 2000000000);
	cr_assert_eq(total(&g).alloc_bytes >> 8, 50);
	rig_done(&g);
}

Test(drain_spill, refuses_spill_entries_that_name_nothing)
{
	struct rig g;

	rig_init(&g, small_geometry());
	for (uint32_t i = 0; i < 3; i++)
		store_relaxed(&g.r->spill[10 + i].alloc.events, 5);
	store_release(&g.r->spill[10].key, (1ull << 32) * 9 + 1); /* K: process 9 */
	store_release(&g.r->spill[11].key, 100000 + 1);           /* K: stack 100000 */
	store_release(&g.r->spill[12].key, 33 + 1);               /* K: stack 33, never interned */
	drain_spill(&g.d, 1);
	cr_assert_eq(g.d.corrupt, 3);
	cr_assert_eq(total(&g).allocs, 0);
	rig_done(&g);
}

Test(drain_spill, looking_at_sparse_tables_fills_no_page)
{
	struct abi_geometry geo = region_geometry(1);
	struct stat before, after;
	struct rig g;

	rig_init(&g, geo);
	spill(&g, alloc_event(0, 1));
	put(&g, 0, alloc_event(0, 1));
	cr_assert_eq(fstat(g.region.memfd, &before), 0);
	pass(&g, 1000000000);
	drain_spill(&g.d, 1);
	cr_assert_eq(total(&g).allocs, 2);
	cr_assert_eq(fstat(g.region.memfd, &after), 0);
	/* 64 lanes are two pages; the rest must be there already. */
	cr_assert_leq(after.st_blocks, before.st_blocks + 2 * 8);
	rig_done(&g);
}

/* Blocks that a forked child told of by the stack, through a lane and through spill counters. */
Test(drain_spill, enters_many_inherited_blocks_at_once)
{
	struct abi_event many = { .kind = ABI_EVENT_INHERITED, .flags = ABI_EVENT_MANY, .rate = 1 };
	struct rig g;

	rig_init(&g, small_geometry());
	many.stack = stack(&g, 0x1000);
	many.size = 5000;
	many.born_ns = 70; /* blocks */
	put(&g, 0, many);
	spill(&g, many);
	many.born_ns = ABI_MAX_MANY + 1;
	put(&g, 0, many);
	pass(&g, 1);
	drain_spill(&g.d, 1);
	cr_assert_eq(total(&g).allocs, 0);
	cr_assert_eq(total(&g).alloc_bytes, 0);
	cr_assert_eq(-total(&g).free_bytes >> 8, 2 * 5000, "in use, and not allocated here");
	cr_assert_eq(-total(&g).free_count >> 16, 2 * 70);
	cr_assert_eq(total(&g).peak_bytes >> 8, 2 * 5000);
	cr_assert_eq(g.d.corrupt, 1);
	rig_done(&g);
}

Test(drain_spill, audit_is_of_one_process)
{
	struct snapshot_audit a;
	struct rig g;

	rig_init(&g, small_geometry());
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t k = 0; k < 10 + i; k++)
			put(&g, 0,
			    (struct abi_event){
				    .kind = ABI_EVENT_ALLOC, .proc = (uint16_t)i, .size = 8, .rate = 1 });
		put(&g, 0, (struct abi_event){ .kind = ABI_EVENT_FREE, .proc = (uint16_t)i, .size = 8, .rate = 1 });
		spill(&g, (struct abi_event){ .kind = ABI_EVENT_FREE, .proc = (uint16_t)i, .size = 8, .rate = 1 });
		store_relaxed(&g.r->procs[i].untracked, 3);
		store_relaxed(&g.r->procs[i].truncated, 2);
	}
	pass(&g, 1);
	drain_spill(&g.d, 1);
	g.d.corrupt = 7;
	drain_audit(&g.d, 1, &g.ledgers[1], &a);
	cr_assert_eq(a.samples, 11);
	cr_assert_eq(a.frees, 2, "one drained, one spilled");
	cr_assert_eq(a.untracked, 3);
	cr_assert_eq(a.truncated, 2);
	cr_assert_eq(a.corrupt, 0);
	drain_audit(&g.d, 0, &g.ledgers[0], &a);
	cr_assert_eq(a.samples, 10);
	cr_assert_eq(a.corrupt, 7);
	rig_done(&g);
}

/* Who comes after `g`'s collector was killed: the log entered anew, first for who is dead, then for the living. */
static void succeed(struct rig *g)
{
	struct ledger dead = { 0 };
	struct state *st = g->d.state;
	const struct record *r;
	size_t at = 0;

	drain_done(&g->d);
	books_done(&g->ledgers[0].books);
	g->ledgers[0] = (struct ledger){ 0 };
	cr_assert_eq(books_init(&g->ledgers[0].books, g->r->geo.stack_slots), 0);
	cr_assert_eq(books_init(&dead.books, g->r->geo.stack_slots), 0);
	drain_init(&g->d, g->r, g->region.memfd, g->scratch, rig_ledger, g);
	while ((r = state_next(st, &at))) {
		const struct record_spill *spilled = (const void *)(r + 1);
		bool is_end = spilled->flags & SPILL_OVER;

		cr_assert_eq(r->kind, RECORD_SPILL);
		cr_assert_eq(drain_replay_spill(&g->d, is_end ? &dead : &g->ledgers[0], spilled), 0);
	}
	drain_resume(&g->d);
	books_done(&dead.books);
	state_free(st);
}

/* A process ends that spilled, and another one with its ordinal spills on the same stack: into the same slot. */
static void one_after_the_other(struct rig *g, uint64_t before_kill, uint64_t after_kill)
{
	uint32_t id;

	rig_init(g, small_geometry());
	id = stack(g, 0x1000);
	cr_assert_eq(state_new(&g->d.state), 0);
	spill(g, alloc_event(id, 100));
	g->ledgers[0].is_closing = true;
	drain_spill(&g->d, 1);
	drain_commit(&g->d);
	g->ledgers[0].is_closing = false;
	if (before_kill)
		spill(g, alloc_event(id, before_kill));
	drain_spill(&g->d, 2);
	drain_commit(&g->d);
	succeed(g);
	spill(g, alloc_event(id, after_kill));
	drain_spill(&g->d, 3);
	cr_assert_eq(total(g).alloc_bytes >> 8, before_kill + after_kill);
	cr_assert_eq(total(g).allocs, (before_kill != 0) + 1);
	rig_done(g);
}

Test(drain_spill, a_slot_that_changed_hands_is_counted_from_nothing_by_a_successor)
{
	struct rig g;

	one_after_the_other(&g, 7, 30);
	one_after_the_other(&g, 0, 30);
}

Test(region, cannot_be_resized_by_whoever_holds_it)
{
	struct rig g;

	rig_init(&g, small_geometry());
	cr_assert_neq(ftruncate(g.region.memfd, 0), 0);
	cr_assert_neq(ftruncate(g.region.memfd, (off_t)g.region.size * 2), 0);
	rig_done(&g);
}

#define WRITERS 4
#define EVENTS_EACH 20000

struct writer {
	const struct rig *g;
	uint32_t index;
	uint32_t stacks[8];
	uint64_t bytes; /* net, what must come out */
};

static void *write_events(void *arg)
{
	struct writer *w = arg;
	unsigned seed = w->index;

	for (int i = 0; i < EVENTS_EACH; i++) {
		struct abi_event e = alloc_event(w->stacks[rand_r(&seed) % 8], (uint64_t)rand_r(&seed) % 10000);
		int lane;

		e.kind = rand_r(&seed) % 2 ? ABI_EVENT_ALLOC : ABI_EVENT_FREE;
		w->bytes += e.kind == ABI_EVENT_ALLOC ? e.size : -e.size;
		lane = lane_acquire(w->g->r, 0, w->index, 2);
		if (lane >= 0)
			lane_publish(w->g->r, lane, &e);
		else
			spill(w->g, e);
	}
	return NULL;
}

/* Lanes far too small for the flood: whatever way an event took, it is counted once. */
Test(drain_spill, totals_are_exact_under_overflow, .timeout = 120)
{
	struct writer writers[WRITERS] = { 0 };
	pthread_t threads[WRITERS];
	uint64_t bytes = 0;
	struct rig g;

	rig_init(&g, small_geometry());
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .g = &g, .index = i };
		for (uint32_t k = 0; k < 8; k++)
			writers[i].stacks[k] = stack(&g, 0x1000 + (i + k) * 16);
		cr_assert_eq(pthread_create(&threads[i], NULL, write_events, &writers[i]), 0);
	}
	for (uint64_t t = 0; t < 300; t++)
		pass(&g, t * 100000000);
	for (uint32_t i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		bytes += writers[i].bytes;
	}
	while (pass(&g, 1))
		;
	drain_spill(&g.d, 1);
	cr_assert_gt(g.ledgers[0].spilled, 0, "the test should overflow the lanes");
	cr_assert_eq(g.ledgers[0].spilled + g.ledgers[0].drained, WRITERS * EVENTS_EACH);
	cr_assert_eq(g.d.corrupt, 0);
	cr_assert_eq(total(&g).alloc_bytes - total(&g).free_bytes, bytes << 8);
	rig_done(&g);
}

static void scribble(struct rig *g, unsigned *seed, bool spare_lanes)
{
	uint64_t *words = g->region.base;
	uint64_t lanes = (uint64_t)((char *)g->r->lanes - (char *)g->region.base) / 8, per_lanes = 4 * 128 / 8;

	for (int i = 0; i < 200; i++) {
		uint64_t at = (uint64_t)rand_r(seed) % (g->region.size / 8);

		if (!spare_lanes || at - lanes >= per_lanes)
			words[at] = (uint64_t)rand_r(seed) >> rand_r(seed) % 31;
	}
}

/* Random stores all over the region between passes, in every other round with heads that stay possible, so that
 * the rubbish is read.  ASan sees what we do with it. */
Test(drain_spill, a_vandal_harms_only_its_own_books, .timeout = 120)
{
	unsigned seed = 4711;
	uint64_t refused = 0;

	for (int round = 0; round < 200; round++) {
		struct drain_result res;
		struct rig g;
		int r = 0;

		rig_init(&g, small_geometry());
		for (int step = 0; r == 0 && step < 30; step++) {
			for (uint32_t i = 0; i < 100 && round % 2; i++)
				put(&g, i % 4, alloc_event(1 + i, i));
			scribble(&g, &seed, round % 2);
			r = drain_pass(&g.d, (uint64_t)step * 100000000, &res);
			drain_spill(&g.d, 1);
		}
		cr_assert(r == 0 || (r == -EBADMSG && round % 2 == 0));
		cr_assert_leq(g.ledgers[0].books.n_buckets, 256);
		cr_assert_leq(g.ledgers[0].books.n_words, 1024);
		refused += g.d.corrupt;
		rig_done(&g);
	}
	cr_assert_gt(refused, 1000);
}
