/* tests/unit/test_control.c - what people who ask a collector are answered. */
#include "tests/unit/control_fixture.h"

static const struct collector_config exact = { .rate = 1 };

static void emit_one(struct abi_region *r, uint64_t size)
{
	struct abi_event e = event(ABI_EVENT_ALLOC, size, 1, shim_stack(r, 0x1000, 3));

	shim_emit(r, &e);
}

static struct reply ask_about_us(struct bench *b, uint32_t verb)
{
	struct control_request q = good_request(verb);

	q.pid = (uint32_t)getpid();
	return ask_bench(b, &q);
}

BACKENDS(control, list_says_what_a_process_holds)
{
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_LIST);
	struct reply a;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	emit_one(&r, 1000);
	emit_one(&r, 24);
	collector_drain_all(b.c);
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), 0);
	cr_assert_eq(a.n, 2);
	cr_assert_eq(a.records[0].kind, CONTROL_PROCESS);
	cr_assert_eq(a.records[0].process.pid, (uint32_t)getpid());
	cr_assert_eq(a.records[0].process.uid, getuid());
	cr_assert_eq(a.records[0].process.inuse_bytes, 1024);
	cr_assert_eq(a.records[0].process.inuse_objects, 2);
	cr_assert_eq(a.records[0].process.samples, 2);
	cr_assert_eq(a.records[0].process.rate, 1);
	cr_assert_str_eq(a.records[0].process.exe, "/usr/bin/fake");
	cr_assert_str_eq(a.records[0].process.cmdline, "fake --with words");
	cr_assert_eq(a.records[1].end.sessions, 1);
	q.pid = 1; /* somebody else */
	a = ask_bench(&b, &q);
	cr_assert_eq(a.n, 1);
	bench_stop(&b);
}

BACKENDS(control, list_names_programs_that_cannot_be_recorded)
{
	struct bench b;
	struct hello h = good_hello();
	struct control_request q = good_request(CONTROL_LIST);
	struct reply a;
	int sock;

	bench_start(&b, *backend, exact);
	h.status = HELLO_SANITIZER;
	sock = ask_begin(&b, &h, sizeof(h));
	TURN_UNTIL(b.loop, b.passive == 1);
	close(sock);
	a = ask_bench(&b, &q);
	cr_assert_eq(a.n, 2);
	cr_assert_eq(a.records[0].process.status, HELLO_SANITIZER);
	cr_assert_lt(a.records[0].process.elapsed_ns, LIMIT_S * 1000000000ull);
	bench_stop(&b);
}

BACKENDS(control, set_changes_the_control_word_and_says_what_was)
{
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_SET);
	struct reply a;

	bench_start(&b, *backend, (struct collector_config){ .rate = 4096 });
	bench_attach_self(&b, &r);
	q.pid = (uint32_t)getpid();
	q.changes = CONTROL_RATE;
	q.rate = 777;
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), 0);
	cr_assert_eq(a.records[0].kind, CONTROL_CHANGED);
	cr_assert_eq(a.records[0].changed.old_rate, 4096);
	cr_assert_eq(a.records[0].changed.rate, 777);
	cr_assert_eq(load_relaxed(&r.control->rate), 777);
	cr_assert_eq(load_relaxed(&r.control->max_depth), ABI_DEFAULT_DEPTH);
	q.changes = CONTROL_RATE | CONTROL_DEPTH;
	q.rate = 0;
	q.max_depth = 9;
	a = ask_bench(&b, &q);
	cr_assert_eq(a.records[0].changed.old_rate, 777);
	cr_assert_eq(load_relaxed(&r.control->rate), 0);
	cr_assert_eq(load_relaxed(&r.control->max_depth), 9);
	a = ask_about_us(&b, CONTROL_LIST);
	cr_assert_eq(a.records[0].process.rate, 0);
	cr_assert_eq(a.records[0].process.max_depth, 9);
	bench_stop(&b);
}

BACKENDS(control, set_refuses_what_makes_no_sense)
{
	struct bench b;
	struct abi_region r;
	const struct {
		uint32_t changes, rate, depth;
	} bad[] = {
		{ CONTROL_RATE, ABI_MAX_RATE + 1, 0 },
		{ CONTROL_DEPTH, 0, 0 },
		{ CONTROL_DEPTH, 0, ABI_MAX_DEPTH + 1 },
		{ 0, 1, 1 },
		{ 8, 1, 1 },
		{ CONTROL_THREADS, 1, 1 }, /* by_thread: 2 */
	};
	struct control_request q = good_request(CONTROL_SET);
	struct reply a;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	q.pid = (uint32_t)getpid();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		q.changes = bad[i].changes;
		q.rate = bad[i].rate;
		q.max_depth = bad[i].depth;
		q.by_thread = 2;
		a = ask_bench(&b, &q);
		cr_assert_eq(reply_error(&a), EINVAL, "%zu", i);
	}
	cr_assert_eq(load_relaxed(&r.control->rate), 1);
	cr_assert_eq(load_relaxed(&r.control->max_depth), ABI_DEFAULT_DEPTH);
	q.changes = CONTROL_RATE;
	q.pid = 1;
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), ESRCH, "no such session");
	q.pid = (uint32_t)getpid();
	q.session = 99;
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), ESRCH, "the pid is another session's by now");
	bench_stop(&b);
}

BACKENDS(control, snapshot_is_announced_when_it_is_on_disk)
{
	struct bench b;
	struct abi_region r;
	struct snapshot *s;
	struct fault f;
	struct reply a;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	emit_one(&r, 4321); /* not drained yet */
	a = ask_about_us(&b, CONTROL_SNAPSHOT);
	cr_assert_eq(reply_error(&a), 0);
	cr_assert_eq(a.n, 2);
	cr_assert_eq(a.records[0].kind, CONTROL_SAVED);
	cr_assert_eq(a.records[0].error, 0);
	cr_assert_eq(a.records[0].saved.path[0], '/');
	cr_assert_eq(snapshot_read_file(a.records[0].saved.path, &s, &f), 0, "%s", f.text);
	cr_assert_eq(s->reason, SNAPSHOT_ASKED);
	cr_assert_eq(s->total.alloc_bytes >> 8, 4321);
	snapshot_free(s);
	bench_stop(&b);
}

/* A snapshot that was begun before the question does not answer it. */
BACKENDS(control, snapshot_is_of_after_the_question)
{
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_SNAPSHOT);
	struct snapshot *s;
	struct fault f;
	struct reply a;
	int first, second;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	first = ask_begin(&b, &q, sizeof(q));
	do
		cr_assert_eq(loop_turn(b.loop, 0), 0); /* asked, perhaps begun, not read */
	while (count_files(b.dir, "s1") == 0);
	emit_one(&r, 4321);
	second = ask_begin(&b, &q, sizeof(q));
	a = ask_end(&b, second);
	cr_assert_eq(snapshot_read_file(a.records[0].saved.path, &s, &f), 0, "%s", f.text);
	cr_assert_eq(s->total.alloc_bytes >> 8, 4321);
	snapshot_free(s);
	a = ask_end(&b, first);
	cr_assert_eq(reply_error(&a), 0);
	bench_stop(&b);
}

BACKENDS(control, snapshot_that_cannot_be_written_says_why)
{
	struct bench b;
	struct abi_region r;
	char sock[160];
	struct reply a;
	int fd;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	snprintf(sock, sizeof(sock), "%s/s1", b.dir);
	fd = open(sock, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* in the way of the session's directory */
	close(fd);
	a = ask_about_us(&b, CONTROL_SNAPSHOT);
	cr_assert_eq(reply_error(&a), 0);
	cr_assert_eq(a.records[0].error, EIO);
	cr_assert_str_empty(a.records[0].saved.path);
	cr_assert_not_null(strstr(a.records[0].saved.why, "Not a directory"), "%s", a.records[0].saved.why);
	cr_assert_eq(a.records[1].end.errors, 1);
	bench_stop(&b);
}

BACKENDS(control, snapshot_of_nothing_is_an_error)
{
	struct bench b;
	struct control_request q = good_request(CONTROL_SNAPSHOT);
	struct reply a;

	bench_start(&b, *backend, exact);
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), ESRCH);
	a = ask_about_us(&b, CONTROL_SNAPSHOT);
	cr_assert_eq(reply_error(&a), ESRCH);
	bench_stop(&b);
}

BACKENDS(control, fetched_snapshot_is_nowhere_on_disk)
{
	struct bench b;
	struct abi_region r;
	struct snapshot *s;
	struct fault f;
	char path[64];
	struct reply a;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	emit_one(&r, 4321);
	a = ask_about_us(&b, CONTROL_FETCH);
	cr_assert_eq(reply_error(&a), 0);
	cr_assert_eq(a.records[0].kind, CONTROL_PROFILE);
	cr_assert_geq(a.fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", a.fd);
	cr_assert_eq(snapshot_read_file(path, &s, &f), 0, "%s", f.text);
	cr_assert_eq(s->total.alloc_bytes >> 8, 4321);
	cr_assert_eq(count_files(b.dir, "s1"), 0);
	snapshot_free(s);
	close(a.fd);
	bench_stop(&b);
}

/* --- limits of a collector, as people see them ---------------------------------------------------------------- */

static void pauses(struct abi_region *r)
{
	(void)r;
}

BACKENDS(control, programs_above_the_limit_of_a_user_are_refused_and_counted)
{
	struct bench b;
	struct control_request q = good_request(CONTROL_LIST);
	struct fake p[3];
	struct reply a;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .max_sessions_per_user = 2 });
	for (size_t i = 0; i < 3; i++) {
		p[i] = fake_start(b.sock, pauses);
		TURN_UNTIL(b.loop, fake_ready(&p[i]));
	}
	cr_assert_eq(b.started, 2);
	a = ask_bench(&b, &q);
	cr_assert_eq(a.n, 3);
	cr_assert_eq(a.records[2].end.refused, 1);
	cr_assert_eq(a.records[2].end.max_sessions_per_user, 2);
	fake_kill(&p[1]); /* no later child of ours has its region */
	TURN_UNTIL(b.loop, collector_pending(b.c) == 1);
	p[2] = fake_start(b.sock, pauses);
	TURN_UNTIL(b.loop, fake_ready(&p[2]));
	cr_assert_eq(b.started, 3, "room again");
	fake_kill(&p[0]);
	fake_kill(&p[2]);
	bench_stop(&b);
}

BACKENDS(control, program_without_a_sample_leaves_nothing_if_so_configured)
{
	struct bench b;
	struct fake p;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .skip_empty = true });
	p = fake_start(b.sock, pauses);
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_eq(b.saved, 0);
	cr_assert_eq(count_files(b.dir, "s1"), 0);
	assert_serves(&b);
	cr_assert_eq(b.saved, 1, "one sample is something");
	bench_stop(&b);
}
