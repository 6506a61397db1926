/* tests/unit/test_session.c - a session's life: attach, drain, every way to end.
 *
 * A whole collector against fake shims in child processes; each test runs on both backends of the loop. */
#include <sys/stat.h>

#include "tests/unit/session_fixture.h"

static void with_modules(struct abi_region *r)
{
	const struct module_info m = {
		.start = 0x1000, .end = 0x9000, .bias = 0x1000, .build_id_len = 4, .build_id = { 1, 2, 3, 4 }
	};

	module_publish(r, &m, "/usr/bin/fake", 13);
	alloc_three_free_one(r);
}

BACKENDS(session, kill_9_leaves_an_exact_final_snapshot)
{
	struct bench b;
	struct snapshot *s;
	struct stat st;
	char path[400];

	umask(022);
	bench_start(&b, *backend, exact);
	s = snapshot_of_killed(&b, with_modules);
	assert_three_and_one(s);
	cr_assert_eq(s->reason, SNAPSHOT_EXIT);
	cr_assert_eq(s->seq, 1);
	cr_assert_eq(s->rate, 1);
	cr_assert_eq(s->pid, b.view.pid);
	cr_assert_str_eq(s->exe, "/usr/bin/fake");
	cr_assert_str_eq(s->cmdline, "fake --with words");
	cr_assert_eq(s->n_modules, 1);
	cr_assert_str_eq(s->modules[0].path, "/usr/bin/fake");
	cr_assert_eq(s->modules[0].build_id_len, 4);
	cr_assert_eq(s->exit_known, 1);
	cr_assert(WIFSIGNALED(s->exit_status) && WTERMSIG(s->exit_status) == SIGKILL);
	cr_assert_str_eq(b.last, "s1/0001-exit.heaptap");
	snprintf(path, sizeof(path), "%s/%s", b.dir, b.last);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0640);
	snapshot_free(s);
	bench_stop(&b);
}

static void exits_with_7(struct abi_region *r)
{
	alloc_three_free_one(r);
	_exit(7);
}

BACKENDS(session, exit_status_of_a_child_is_in_the_final_snapshot)
{
	struct bench b;
	struct snapshot *s;

	bench_start(&b, *backend, exact);
	s = snapshot_of_killed(&b, exits_with_7);
	assert_three_and_one(s);
	cr_assert_eq(s->exit_known, 1);
	cr_assert(WIFEXITED(s->exit_status) && WEXITSTATUS(s->exit_status) == 7);
	snapshot_free(s);
	bench_stop(&b);
}

/* Dies in the middle of writing an event: the lane stays locked, the event is not there. */
static void locks_a_lane(struct abi_region *r)
{
	alloc_three_free_one(r);
	if (lane_acquire(r, 0, 0, 1) != 0)
		_exit(97);
}

BACKENDS(session, kill_9_with_a_locked_lane_loses_nothing_published)
{
	struct bench b;
	struct snapshot *s;

	bench_start(&b, *backend, exact);
	s = snapshot_of_killed(&b, locks_a_lane);
	assert_three_and_one(s);
	cr_assert(WIFSIGNALED(s->exit_status));
	snapshot_free(s);
	bench_stop(&b);
}

/* Four lanes of 16 Ki events while nobody drains: most of it spills. */
static void floods(struct abi_region *r)
{
	uint32_t a = shim_stack(r, 0x1000, 3);

	for (int i = 0; i < 200000; i++)
		emit(r, i % 4 == 3 ? ABI_EVENT_FREE : ABI_EVENT_ALLOC, 10, a);
}

BACKENDS(session, overflow_costs_no_total)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, floods);
	TURN_UNTIL(b.loop, b.started == 1);
	for (double limit = seconds() + LIMIT_S; !fake_ready(&p) && seconds() < limit;)
		usleep(1000);
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 1);
	s = bench_snapshot(&b, b.last);
	cr_assert_eq(s->total.allocs, 150000);
	cr_assert_eq(s->total.frees, 50000);
	cr_assert_eq(s->total.alloc_bytes >> 8, 1500000);
	cr_assert_eq(s->total.free_bytes >> 8, 500000);
	cr_assert_gt(s->audit.spilled, 0);
	cr_assert_eq(s->audit.spilled + s->audit.drained, 200000);
	cr_assert_eq(s->audit.samples + s->audit.frees, 200000);
	snapshot_free(s);
	bench_stop(&b);
}

/* Dies between the sums of a spill and the process's count of it. */
static void spills_uncounted(struct abi_region *r)
{
	struct abi_event e = event(ABI_EVENT_ALLOC, 77, 1, 0);

	spill_add(r, &e);
}

BACKENDS(session, spill_that_was_not_counted_yet_is_in_the_final_snapshot)
{
	struct bench b;
	struct snapshot *s;

	bench_start(&b, *backend, exact);
	s = snapshot_of_killed(&b, spills_uncounted);
	cr_assert_eq(s->total.alloc_bytes >> 8, 77);
	snapshot_free(s);
	bench_stop(&b);
}

static char sock_path[160];

/* exec, as the collector sees it: the same pid says hello again, the old mapping is gone. */
static void execs_another(struct abi_region *r)
{
	struct abi_region second;

	alloc_three_free_one(r);
	if (!shim_attach(sock_path, &second))
		_exit(97);
	emit(&second, ABI_EVENT_ALLOC, 5, 0);
}

BACKENDS(session, exec_ends_the_old_session_and_both_have_their_snapshot)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;

	bench_start(&b, *backend, exact);
	snprintf(sock_path, sizeof(sock_path), "%s", b.sock);
	p = fake_start(b.sock, execs_another);
	TURN_UNTIL(b.loop, fake_ready(&p) && b.ended == 1);
	cr_assert_eq(b.started, 2);
	s = bench_snapshot(&b, "s1/0001-exit.heaptap");
	assert_three_and_one(s);
	cr_assert_eq(s->exit_known, 0, "the process lives on");
	snapshot_free(s);
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 2);
	s = bench_snapshot(&b, "s2/0001-exit.heaptap");
	cr_assert_eq(s->total.alloc_bytes >> 8, 5);
	snapshot_free(s);
	bench_stop(&b);
}

static void name_all_alike(const struct session_view *v, char *buf, size_t size, void *arg)
{
	(void)v, (void)arg;
	snprintf(buf, size, "%s", "");
}

BACKENDS(session, sessions_in_one_directory_do_not_overwrite_each_other)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .name_session = name_all_alike });
	snprintf(sock_path, sizeof(sock_path), "%s", b.sock);
	p = fake_start(b.sock, execs_another);
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 2);
	cr_assert_eq(count_files(b.dir, "-exit.heaptap"), 2);
	s = bench_snapshot(&b, "0001-exit.heaptap");
	assert_three_and_one(s);
	snapshot_free(s);
	/* Nor does one that starts when the others are long forgotten. */
	p = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 3);
	cr_assert_str_eq(b.last, "0003-exit.heaptap");
	bench_stop(&b);
}

static void name_badly(const struct session_view *v, char *buf, size_t size, void *arg)
{
	(void)v, (void)arg;
	snprintf(buf, size, "../escaped");
}

BACKENDS(session, directory_name_that_leaves_out_dir_is_not_used)
{
	struct bench b;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .name_session = name_badly });
	snapshot_free(snapshot_of_killed(&b, alloc_three_free_one));
	cr_assert_str_eq(b.last, "s1/0001-exit.heaptap");
	bench_stop(&b);
}

/* Heads nobody could have reached. */
static void breaks_its_heads(struct abi_region *r)
{
	alloc_three_free_one(r);
	store_release(&r->lanes[5].head, 1ull << 40); /* A */
}

BACKENDS(session, corrupt_region_ends_only_its_own_session)
{
	struct bench b;
	struct snapshot *s;
	struct fake bad, good;

	bench_start(&b, *backend, exact);
	good = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, fake_ready(&good));
	bad = fake_start(b.sock, breaks_its_heads);
	TURN_UNTIL(b.loop, fake_ready(&bad) && b.ended == 1);
	cr_assert_eq(b.view.pid, (uint32_t)bad.pid);
	s = bench_snapshot(&b, b.last);
	cr_assert_gt(s->audit.corrupt, 0);
	snapshot_free(s);
	fake_kill(&good);
	TURN_UNTIL(b.loop, b.ended == 2);
	s = bench_snapshot(&b, b.last);
	assert_three_and_one(s);
	snapshot_free(s);
	fake_kill(&bad);
	bench_stop(&b);
}

/* Says so on the pipe only when the collector has told it to be quiet. */
static void waits_for_detach(struct abi_region *r)
{
	alloc_three_free_one(r);
	for (int i = 0; i < LIMIT_S * 1000 && !load_relaxed(&r->control->detached); i++)
		usleep(1000);
	if (!load_relaxed(&r->control->detached))
		_exit(96);
}

BACKENDS(session, shutdown_snapshots_the_living_and_detaches_them)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, waits_for_detach);
	TURN_UNTIL(b.loop, b.started == 1);
	for (double limit = seconds() + LIMIT_S; seconds() < limit && b.view.total.allocs < 3;) {
		loop_turn(b.loop, 10);
		collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	}
	collector_shutdown(b.c);
	TURN_UNTIL(b.loop, collector_pending(b.c) == 0);
	cr_assert_eq(b.ended, 1);
	s = bench_snapshot(&b, b.last);
	assert_three_and_one(s);
	cr_assert_eq(s->reason, SNAPSHOT_ASKED);
	snapshot_free(s);
	cr_assert_lt(shim_connect(b.sock), 0, "still accepting");
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	bench_stop(&b);
}

BACKENDS(session, shutdown_knows_the_dead)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;
	siginfo_t info;

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	cr_assert_eq(waitid(P_PID, (id_t)p.pid, &info, WEXITED | WNOWAIT), 0);
	collector_shutdown(b.c);
	TURN_UNTIL(b.loop, collector_pending(b.c) == 0);
	s = bench_snapshot(&b, b.last);
	assert_three_and_one(s);
	cr_assert_eq(s->reason, SNAPSHOT_EXIT);
	cr_assert_eq(s->exit_known, 1);
	snapshot_free(s);
	bench_stop(&b);
}
