/* tests/unit/test_drain.c - events out of the lanes into the books: nothing lost, nothing believed. */
#include "tests/unit/drain_rig.h"

Test(drain, enters_what_the_lanes_hold_once)
{
	struct rig g;
	uint32_t id;

	rig_init(&g, small_geometry());
	id = stack(&g, 0x1000);
	put(&g, 0, alloc_event(id, 10));
	put(&g, 3, alloc_event(id, 20));
	cr_assert_eq(pass(&g, 100), 2);
	cr_assert_eq(pass(&g, 100), 0);
	cr_assert_eq(total(&g).alloc_bytes >> 8, 30);
	cr_assert_eq(books_find(&g.ledgers[0].books, id)->n_frames, 3);
	cr_assert_eq(g.ledgers[0].drained, 2);
	rig_done(&g);
}

Test(drain, gives_room_back_to_writers)
{
	struct rig g;
	uint32_t id;

	rig_init(&g, small_geometry());
	id = stack(&g, 0x1000);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 64; i++)
			put(&g, 1, alloc_event(id, 1));
		cr_assert_eq(lane_acquire(g.r, 0, 1, 1), -1, "the lane should be full");
		cr_assert_eq(pass(&g, 100), 64);
	}
	cr_assert_eq(total(&g).allocs, 320);
	rig_done(&g);
}

Test(drain, books_of_all_processes_together_are_bounded)
{
	struct rig g;
	uint32_t kept, late, next;

	rig_init(&g, small_geometry());
	kept = stack(&g, 0x1000);
	late = stack(&g, 0x2000);
	next = stack(&g, 0x3000);
	g.d.max_words = 1;
	put(&g, 0, alloc_event(kept, 10));
	put(&g, 0, alloc_event(late, 20));
	cr_assert_eq(pass(&g, 100), 2);
	cr_assert_eq(books_find(&g.ledgers[0].books, kept)->n_frames, 3);
	cr_assert_eq(books_find(&g.ledgers[0].books, late), books_find(&g.ledgers[0].books, 0));
	cr_assert_eq(total(&g).alloc_bytes >> 8, 30);
	cr_assert_eq(g.d.corrupt, 0);
	drain_forget(&g.d, &g.ledgers[0]);
	cr_assert_eq(g.d.words, 0);
	put(&g, 0, alloc_event(late, 40));
	put(&g, 0, alloc_event(next, 50));
	cr_assert_eq(pass(&g, 100), 2);
	cr_assert_eq(books_find(&g.ledgers[0].books, late)->n_frames, 0, "where its first alloc is");
	cr_assert_eq(books_find(&g.ledgers[0].books, next)->n_frames, 3);
	rig_done(&g);
}

struct refusal {
	const char *why;
	struct abi_event e;
};

Test(drain, refuses_and_counts_events_out_of_bounds)
{
	static const struct refusal refusals[] = {
		{ "kind 0", { .kind = 0, .rate = 1, .stack = 1 } },
		{ "kind 4", { .kind = 4, .rate = 1, .stack = 1 } },
		{ "process", { .kind = 1, .rate = 1, .stack = 1, .proc = 2 } },
		{ "rate 0", { .kind = 1, .rate = 0, .stack = 1 } },
		{ "rate too large", { .kind = 1, .rate = ABI_MAX_RATE + 1, .stack = 1 } },
		{ "stack id", { .kind = 1, .rate = 1, .stack = 256 } },
		{ "no such stack", { .kind = 1, .rate = 1, .stack = 77 } },
		{ "size", { .kind = 1, .rate = 1, .stack = 1, .size = (1ull << 56) + 1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct rig g;
		uint32_t id;

		rig_init(&g, small_geometry());
		id = stack(&g, 0x1000);
		put(&g, 0, alloc_event(id, 10));
		g.r->events[64] = refusals[i].e; /* lane 1, no writer would */
		if (g.r->events[64].stack == 1)
			g.r->events[64].stack = id;
		store_release(&g.r->lanes[1].head, 1); /* A */
		put(&g, 2, alloc_event(id, 5));
		cr_assert_eq(pass(&g, 100), 3, "%s", refusals[i].why);
		cr_assert_eq(g.d.corrupt, 1, "%s", refusals[i].why);
		cr_assert_eq(g.ledgers[0].drained, 2, "%s", refusals[i].why);
		cr_assert_eq(total(&g).alloc_bytes >> 8, 15, "%s", refusals[i].why);
		rig_done(&g);
	}
}

/* Events behind the one at hand were not checked yet when the drain looks ahead at their stacks. */
Test(drain, looks_ahead_at_wild_stacks_without_harm)
{
	static const uint32_t wild[] = { 256, 1u << 22, 1u << 31, UINT32_MAX };
	struct rig g;
	uint32_t id;

	rig_init(&g, small_geometry());
	id = stack(&g, 0x1000);
	for (uint32_t i = 0; i < 60; i++) {
		struct abi_event e = alloc_event(i % 3 ? wild[i % ARRAY_SIZE(wild)] : id, 1);

		e.proc = i % 3 && i % 5 == 4 ? UINT16_MAX : 0;
		put(&g, 0, alloc_event(id, 1));
		g.r->events[i] = e; /* no writer would */
	}
	cr_assert_eq(pass(&g, 100), 60);
	cr_assert_eq(g.d.corrupt, 40);
	cr_assert_eq(total(&g).alloc_bytes >> 8, 20);
	rig_done(&g);
}

Test(drain, ends_at_an_impossible_head)
{
	static const uint64_t heads[] = { 2 + 65, UINT64_MAX, 1, 1ull << 63 };

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct drain_result res;
		struct rig g;

		rig_init(&g, small_geometry());
		put(&g, 0, alloc_event(0, 1));
		put(&g, 0, alloc_event(0, 1));
		pass(&g, 100);
		store_release(&g.r->lanes[0].head, heads[i]); /* A */
		cr_assert_eq(drain_pass(&g.d, 100, &res), -EBADMSG, "head %zu", i);
		rig_done(&g);
	}
}

/* Every slot points at the same deep entry: 255 stacks of 1000 frames out of 1024 words. */
Test(drain, overlapping_stacks_cannot_swell_the_books)
{
	struct rig g;

	rig_init(&g, small_geometry());
	g.r->words[1] = ABI_STACK_WORD(1000, 0, 0);
	for (uint32_t id = 1; id < 256; id++) {
		store_release(&g.r->slots[id], ABI_SLOT(id, 1)); /* G */
		put(&g, id % 4, alloc_event(id, 1));
	}
	cr_assert_eq(pass(&g, 100), 255);
	cr_assert_leq(g.ledgers[0].books.n_words, 1024);
	cr_assert_eq(g.ledgers[0].drained, 1);
	cr_assert_eq(g.d.corrupt, 254);
	rig_done(&g);
}

/* One thread allocates, another frees a little later: in-use is never above 2 blocks, in whatever order the lanes
 * are read. */
Test(drain, order_between_lanes_does_not_fake_a_peak)
{
	struct rig g;
	uint32_t id;

	rig_init(&g, small_geometry());
	id = stack(&g, 0x1000);
	for (uint64_t t = 1; t <= 50; t++) {
		struct abi_event a = alloc_event(id, 1000), f = a;

		a.time_ns = 10 * t;
		f.time_ns = 10 * t + 5;
		f.kind = ABI_EVENT_FREE;
		put(&g, 0, a);
		put(&g, 1, f);
	}
	cr_assert_eq(pass(&g, 10000), 100);
	cr_assert_eq(total(&g).peak_bytes >> 8, 1000);
	cr_assert_eq(g.ledgers[0].books.peak_elapsed_ns, 10);
	rig_done(&g);
}

/* Times that go back, or lie in the future, cost order and nothing else. */
Test(drain, absurd_times_lose_no_event)
{
	static const uint64_t times[] = { UINT64_MAX, 0, 1ull << 62, 5, 0 };
	struct rig g;

	rig_init(&g, small_geometry());
	for (uint32_t i = 0; i < 4 * 60; i++) {
		struct abi_event e = alloc_event(0, 1);

		e.time_ns = times[i % ARRAY_SIZE(times)] + i;
		put(&g, i % 4, e);
	}
	cr_assert_eq(pass(&g, 1000), 240);
	cr_assert_leq(g.ledgers[0].books.peak_elapsed_ns, 1000);
	rig_done(&g);
}

/* More than a batch holds, times chosen so that the full lanes hold the others back. */
Test(drain, a_backlog_takes_several_passes_and_is_complete)
{
	struct abi_geometry geo = small_geometry();
	struct drain_result res;
	uint64_t entered = 0, passes = 0;
	struct rig g;

	geo.lanes = 3;
	geo.lane_events = 64 * 1024;
	rig_init(&g, geo);
	for (uint64_t i = 0; i < 64 * 1024; i++) {
		struct abi_event e = alloc_event(0, 1);

		e.time_ns = i;
		put(&g, 0, e);
		e.time_ns = i * 3;
		put(&g, 1, e);
		e.time_ns = 64 * 1024 - i; /* hostile: falling */
		put(&g, 2, e);
	}
	do {
		cr_assert_eq(drain_pass(&g.d, 1 << 20, &res), 0);
		cr_assert_leq(res.events, DRAIN_BATCH);
		cr_assert(res.events > 0 || !res.more, "stuck");
		entered += res.events;
		passes++;
	} while (res.more);
	cr_assert_eq(entered, 3 * 64 * 1024);
	cr_assert_geq(passes, 3);
	cr_assert_eq(total(&g).allocs, entered);
	rig_done(&g);
}

/* The freeing lane is twice as long as the allocating one: a batch covers half of its time, and what the other did
 * after that has to wait. */
Test(drain, a_backlog_in_one_lane_does_not_fake_a_peak)
{
	struct abi_geometry geo = small_geometry();
	struct abi_event e;
	struct rig g;

	geo.lane_events = 64 * 1024;
	rig_init(&g, geo);
	for (uint64_t t = 1; t <= 60000; t++) {
		e = alloc_event(0, 1000);
		e.time_ns = 2 * t;
		if (t % 2)
			put(&g, 1, e);
		e.kind = t % 2 ? ABI_EVENT_FREE : ABI_EVENT_ALLOC;
		e.size = t % 2 ? 1000 : 0;
		e.time_ns++;
		put(&g, 0, e);
	}
	while (pass(&g, 1000000))
		;
	cr_assert_eq(total(&g).frees, 30000);
	cr_assert_eq(total(&g).peak_bytes >> 8, 1000);
	rig_done(&g);
}
