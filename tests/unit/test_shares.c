/* tests/unit/test_shares.c - one greedy program or asker, and what is left of the collector for all others.
 *
 * What a region names and what is asked for is somebody else's choice; how much of it is done at a time is ours. */
#include "collectord/live/collector_impl.h"
#include "collectord/live/kin.h"
#include "common/proctab.h"
#include "tests/unit/control_fixture.h"

#define NOBODY 0x7ffffffeu /* above every pid_max, like those below it */

static const struct collector_config exact = { .rate = 1 };
static const struct collector_config only_samples = { .rate = 1, .skip_empty = true };

static void claim_dead(struct abi_region *r, unsigned n, bool speak)
{
	struct proc_info info = { .parent_pid = load_relaxed(&r->procs[0].pid) };

	for (unsigned i = 0; i < n; i++) {
		struct abi_event e = event(ABI_EVENT_ALLOC, 3, 1, 0);
		int at;

		info.pid = NOBODY - i; /* a pid is one living process's */
		at = proc_claim(r, &info);

		if (at < 0)
			_exit(96);
		e.proc = (uint16_t)at;
		if (speak)
			shim_emit(r, &e);
	}
}

enum { SILENT = 1000, AT_A_TIME = 64 };

BACKENDS(shares, a_thousand_entries_at_once_are_taken_up_in_batches)
{
	struct bench b;
	struct abi_region r;
	unsigned before, most = 0;

	bench_start(&b, *backend, only_samples);
	bench_attach_self(&b, &r);
	claim_dead(&r, SILENT, false);
	for (double limit = seconds() + LIMIT_S; b.ended < SILENT && seconds() < limit;) {
		before = b.started;
		cr_assert_eq(loop_turn(b.loop, 50), 0);
		if (b.started - before > most)
			most = b.started - before;
	}
	cr_assert_eq(b.ended, SILENT);
	cr_assert_leq(most, AT_A_TIME);
	bench_stop(&b);
}

enum { DEAD = 600 };

/* A process being saved has a directory, its twin for the write, and the file. */
BACKENDS(shares, the_dead_are_saved_some_at_a_time)
{
	struct bench b;
	struct abi_region r;
	unsigned before, most = 0, now;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	claim_dead(&r, DEAD, true);
	before = count_files("/proc/self/fd", "");
	for (double limit = seconds() + LIMIT_S; b.ended < DEAD && seconds() < limit;) {
		cr_assert_eq(loop_turn(b.loop, 50), 0);
		now = count_files("/proc/self/fd", "");
		if (now > most)
			most = now;
	}
	cr_assert_eq(b.ended, DEAD);
	cr_assert_eq(b.saved, DEAD);
	cr_assert_leq(most, before + 3 * AT_A_TIME);
	bench_stop(&b);
}

Test(shares, who_may_not_search_does_not)
{
	struct kin k = { .pid = NOBODY, .parent = (uint32_t)getpid(), .is_nested = true, .no_search = true };
	uint32_t pid = 0;
	int fd = -1;

	cr_assert_eq(kin_find(&k, &pid, &fd), -EAGAIN, "it may be one of another namespace");
	k.is_nested = false;
	cr_assert_eq(kin_find(&k, &pid, &fd), -ESRCH);
	k.no_search = false;
	cr_assert_eq(kin_find(&k, &pid, &fd), -ESRCH);
}

/* A machine may have any number of processes: one search ends after so many. */
Test(shares, a_search_has_an_end)
{
	struct kin k = { .pid = NOBODY, .is_nested = true, .max_looks = 1 };
	uint32_t pid = 0;
	int fd = -1;

	cr_assert_eq(kin_find(&k, &pid, &fd), -EAGAIN);
}

/* Whoever it names would be looked for among all processes of the machine: that has to be paid off by waiting. */
BACKENDS(shares, searches_for_what_a_region_names_are_paid_for)
{
	struct session *s;
	struct bench b;
	struct abi_region r;

	bench_start(&b, *backend, only_samples);
	bench_attach_self(&b, &r);
	s = LIST_FIRST(&b.c->sessions);
	s->is_nested = true;
	claim_dead(&r, 1, false);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_gt(s->search_debt_ns, 0);
	s->search_debt_ns = UINT64_MAX / 2;
	claim_dead(&r, SILENT, false);
	TURN_UNTIL(b.loop, b.started == SILENT + 2);
	cr_assert_eq(b.ended, 1, "nobody was looked for, so nobody is known to be dead");
	s->search_debt_ns = 1; /* as after a while */
	claim_dead(&r, 1, false);
	TURN_UNTIL(b.loop, b.ended == 2);
	bench_stop(&b);
}

enum { ASKERS = 16 };

/* Snapshots of a program with a thousand stacks: far from free. */
BACKENDS(shares, questions_are_answered_one_after_another)
{
	struct control_request q = good_request(CONTROL_FETCH);
	unsigned answered = 0;
	int socks[ASKERS];
	struct abi_region r;
	struct pollfd p;
	struct bench b;

	q.pid = (uint32_t)getpid();
	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	for (unsigned i = 0; i < 1000; i++) {
		struct abi_event e = event(ABI_EVENT_ALLOC, 3, 1, shim_stack(&r, 0x1000 + 64 * i, 60));

		shim_emit(&r, &e);
	}
	collector_drain_all(b.c);
	for (unsigned i = 0; i < ASKERS; i++)
		socks[i] = ask_begin(&b, &q, sizeof(q));
	do
		cr_assert_eq(loop_turn(b.loop, 50), 0);
	while (poll(&(struct pollfd){ .fd = socks[0], .events = POLLIN }, 1, 0) == 0);
	for (unsigned i = 0; i < ASKERS; i++) {
		p = (struct pollfd){ .fd = socks[i], .events = POLLIN };
		answered += poll(&p, 1, 0) == 1;
	}
	cr_assert_lt(answered, ASKERS - 4, "nobody else had a turn");
	for (unsigned i = 0; i < ASKERS; i++) {
		struct reply a = ask_end(&b, socks[i]);

		cr_assert_eq(reply_error(&a), 0);
		close(a.fd);
	}
	bench_stop(&b);
}
