/* tests/unit/test_idle.c - sessions in which nothing happens: no timer each, and nothing that begins later is lost.
 */
#include "collectord/live/collector_impl.h"
#include "collectord/live/loop_impl.h"
#include "common/proctab.h"
#include "tests/unit/live_fixture.h"

static const struct collector_config sampled = { 0 };
static const struct collector_config exact = { .rate = 1 };

static unsigned n_idle(const struct bench *b)
{
	const struct session *s;
	unsigned n = 0;

	LIST_FOREACH(s, &b->c->sessions, link)
	{
		n += s->idle != NULL;
	}
	return n;
}

static void nothing(struct abi_region *r)
{
	(void)r;
}

/* Those of the two rounds, of the bounds, and of what is on its way. */
enum { MANY = 24, FEW_TIMERS = 5 };

static void many(const char *backend, struct collector_config config)
{
	struct fake fakes[MANY];
	struct bench b;

	bench_start(&b, backend, config);
	for (int i = 0; i < MANY; i++)
		fakes[i] = fake_start(b.sock, nothing);
	TURN_UNTIL(b.loop, n_idle(&b) == MANY);
	cr_assert_leq(b.loop->n_timers, FEW_TIMERS);
	for (int i = 0; i < MANY; i++)
		fake_kill(&fakes[i]);
	TURN_UNTIL(b.loop, b.ended == MANY);
	cr_assert_eq(collector_pending(b.c), 0);
	bench_stop(&b);
}

BACKENDS(idle, many_sessions_have_one_timer)
{
	many(*backend, sampled);
}

BACKENDS(idle, many_exact_sessions_have_one_timer)
{
	many(*backend, exact);
}

/* As if it had been idle for an hour. */
static struct session *idle_for_long(struct bench *b, struct abi_region *r)
{
	struct session *s;

	bench_attach_self(b, r);
	s = LIST_FIRST(&b->c->sessions);
	TURN_UNTIL(b->loop, s->idle);
	s->idle_looks = 3601;
	return s;
}

static const struct ledger *books_of(const struct session *s)
{
	return &session_process(s, 0)->ledger;
}

enum { BURST = 10000 };

BACKENDS(idle, a_burst_after_long_idleness_is_counted_whole)
{
	struct abi_region r;
	struct session *s;
	struct bench b;
	uint32_t stack;

	bench_start(&b, *backend, sampled);
	s = idle_for_long(&b, &r);
	stack = shim_stack(&r, 0x4000, 5);
	for (unsigned i = 0; i < BURST; i++) {
		struct abi_event e = event(ABI_EVENT_ALLOC, 600 << 10, 1, stack);

		shim_emit(&r, &e);
	}
	TURN_UNTIL(b.loop, books_of(s)->drained + books_of(s)->spilled == BURST);
	cr_assert_gt(books_of(s)->spilled, 0, "more than the lanes have room for");
	cr_assert_eq(books_of(s)->books.total.allocs, BURST);
	cr_assert_eq(books_of(s)->books.total.alloc.bytes >> WEIGHT_BYTES_SHIFT, (uint64_t)BURST * (600 << 10));
	TURN_UNTIL(b.loop, s->idle);
	bench_stop(&b);
}

BACKENDS(idle, what_is_only_in_the_spill_counters_is_found)
{
	struct abi_event e = event(ABI_EVENT_ALLOC, 42, 1, 0);
	struct abi_region r;
	struct session *s;
	struct bench b;

	bench_start(&b, *backend, sampled);
	s = idle_for_long(&b, &r);
	spill_add(&r, &e);
	add_relaxed(&r.procs[0].spilled, 1);
	TURN_UNTIL(b.loop, books_of(s)->spilled == 1);
	bench_stop(&b);
}

BACKENDS(idle, a_child_that_says_nothing_is_taken_up)
{
	struct abi_region r;
	struct proc_info child;
	struct fake other;
	struct bench b;

	bench_start(&b, *backend, sampled);
	idle_for_long(&b, &r);
	other = fake_start(b.sock, nothing); /* some process of ours */
	TURN_UNTIL(b.loop, b.started == 2);
	child = (struct proc_info){ .pid = (uint32_t)other.pid, .parent_pid = (uint32_t)getpid() };
	cr_assert_gt(proc_claim(&r, &child), 0);
	TURN_UNTIL(b.loop, b.started == 3);
	fake_kill(&other);
	bench_stop(&b);
}

BACKENDS(idle, a_session_that_is_changed_is_looked_at_as_it_is_now)
{
	struct abi_region r;
	struct session *s;
	struct bench b;

	bench_start(&b, *backend, sampled);
	s = idle_for_long(&b, &r);
	collector_change(b.c, s->id, 1, 8, false);
	cr_assert_null(s->idle);
	TURN_UNTIL(b.loop, s->idle);
	cr_assert_lt(s->idle_looks, 3601);
	bench_stop(&b);
}
