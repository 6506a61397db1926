/* tests/unit/session_fixture.h - one program's few events, and what they must have come to in a snapshot. */
#pragma once

#include "tests/unit/live_fixture.h"

static const struct collector_config exact = { .rate = 1 };

static inline void emit(struct abi_region *r, uint8_t kind, uint64_t size, uint32_t stack)
{
	struct abi_event e = event(kind, size, 1, stack);

	shim_emit(r, &e);
}

static inline void alloc_three_free_one(struct abi_region *r)
{
	uint32_t a = shim_stack(r, 0x1000, 3), b = shim_stack(r, 0x2000, 5);

	emit(r, ABI_EVENT_ALLOC, 100, a);
	emit(r, ABI_EVENT_ALLOC, 200, b);
	emit(r, ABI_EVENT_ALLOC, 1000, b);
	emit(r, ABI_EVENT_FREE, 1000, b);
}

/* What alloc_three_free_one() must have come to. */
static inline void assert_three_and_one(const struct snapshot *s)
{
	cr_assert_eq(s->n_stacks, 2);
	cr_assert_eq(s->total.allocs, 3);
	cr_assert_eq(s->total.frees, 1);
	cr_assert_eq(s->total.alloc_bytes >> 8, 1300);
	cr_assert_eq((s->total.alloc_bytes - s->total.free_bytes) >> 8, 300);
	cr_assert_eq(s->total.peak_bytes >> 8, 1300);
	cr_assert_eq(s->audit.drained + s->audit.spilled, 4);
	cr_assert_eq(s->audit.corrupt, 0);
}

/* Run one program to its violent end; the final snapshot. */
static inline struct snapshot *snapshot_of_killed(struct bench *b, void (*body)(struct abi_region *r))
{
	struct fake p = fake_start(b->sock, body);

	TURN_UNTIL(b->loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b->loop, b->ended == 1);
	cr_assert_eq(collector_pending(b->c), 0);
	return bench_snapshot(b, b->last);
}
