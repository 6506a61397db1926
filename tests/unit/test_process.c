/* tests/unit/test_process.c - processes of a session: forked children that take entries, live, die, and lie.
 *
 * A fake program shakes hands, forks, and its children write in their own names. */
#include "common/proctab.h"
#include "tests/unit/session_fixture.h"

static void emit_as(struct abi_region *r, uint32_t proc, uint8_t kind, uint64_t size, uint32_t stack)
{
	struct abi_event e = event(kind, size, 1, stack);

	e.proc = (uint16_t)proc;
	shim_emit(r, &e);
}

static int claim_as(struct abi_region *r, uint32_t pid)
{
	return proc_claim(
		r, &(struct proc_info){ .pid = pid, .parent = 0, .parent_pid = load_relaxed(&r->procs[0].pid) });
}

static void inherits_and_allocates(struct abi_region *r, uint32_t stack)
{
	int me = claim_as(r, (uint32_t)getpid());

	if (me < 0)
		_exit(95);
	emit_as(r, (uint32_t)me, ABI_EVENT_INHERITED, 100, stack);
	emit_as(r, (uint32_t)me, ABI_EVENT_ALLOC, 7, stack);
	emit_as(r, (uint32_t)me, ABI_EVENT_FREE, 100, stack);
}

/* 100 bytes in use; the child has them too, frees them, and allocates 7. */
static void forks_once(struct abi_region *r)
{
	uint32_t a = shim_stack(r, 0x1000, 3);
	pid_t pid;

	emit(r, ABI_EVENT_ALLOC, 100, a);
	pid = fork();
	if (pid == 0) {
		inherits_and_allocates(r, a);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static struct snapshot *snapshot_in(const struct bench *b, const char *dir)
{
	char below[64];

	snprintf(below, sizeof(below), "%s/0001-exit.heaptap", dir);
	return bench_snapshot(b, below);
}

BACKENDS(process, forked_child_has_books_of_its_own)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, forks_once);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_eq(b.view.number, 1);
	cr_assert_eq(b.view.ppid, (uint32_t)p.pid);
	s = snapshot_in(&b, "s1.1");
	cr_assert_eq(s->ppid, (uint32_t)p.pid);
	cr_assert_neq(s->pid, (uint32_t)p.pid);
	cr_assert_eq(s->total.allocs, 1);
	cr_assert_eq(s->total.frees, 1);
	cr_assert_eq(s->total.alloc_bytes >> 8, 7);
	cr_assert_eq((s->total.alloc_bytes - s->total.free_bytes) >> 8, 7);
	cr_assert_eq(s->total.peak_bytes >> 8, 107);
	cr_assert_eq(s->audit.drained, 3);
	snapshot_free(s);
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 2);
	s = snapshot_in(&b, "s1");
	cr_assert_eq(s->total.alloc_bytes >> 8, 100);
	cr_assert_eq(s->total.frees, 0);
	cr_assert_eq(s->audit.drained, 1);
	snapshot_free(s);
	TURN_UNTIL(b.loop, collector_pending(b.c) == 0);
	bench_stop(&b);
}

static int go[2]; /* a byte lets the child speak */

/* The program ends at once; its child is not known before it is let speak. */
static void leaves_a_child(struct abi_region *r)
{
	uint32_t a = shim_stack(r, 0x1000, 3);
	char byte;

	emit(r, ABI_EVENT_ALLOC, 100, a);
	if (fork() == 0) {
		alarm(2 * LIMIT_S);
		if (read(go[0], &byte, 1) != 1)
			_exit(94);
		inherits_and_allocates(r, a);
	}
	_exit(0);
}

BACKENDS(process, session_outlives_its_first_process)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;
	double until;

	cr_assert_eq(pipe(go), 0);
	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, leaves_a_child);
	TURN_UNTIL(b.loop, b.ended == 1);
	for (until = seconds() + 1.2; seconds() < until;)
		cr_assert_eq(loop_turn(b.loop, 50), 0);
	cr_assert_eq(collector_pending(b.c), 1, "somebody has the region mapped");
	cr_assert_eq(write(go[1], "", 1), 1);
	TURN_UNTIL(b.loop, b.ended == 2);
	cr_assert_neq(b.view.pid, (uint32_t)p.pid);
	s = snapshot_in(&b, "s1.1");
	cr_assert_eq(s->total.alloc_bytes >> 8, 7);
	snapshot_free(s);
	TURN_UNTIL(b.loop, collector_pending(b.c) == 0);
	bench_stop(&b);
}

enum { MANY = 5000, SPEAK = 50 }; /* more than there are entries; every so manieth says something */

/* Children that are dead before anybody looks: each is a process, each finds an entry. */
static void has_many_children(struct abi_region *r)
{
	uint32_t a = shim_stack(r, 0x1000, 3);
	pid_t dead = fork();

	if (dead == 0)
		_exit(0);
	waitpid(dead, NULL, 0);
	for (int i = 0; i < MANY; i++) {
		int at;

		while ((at = claim_as(r, (uint32_t)dead)) < 0)
			usleep(1000);
		if (i % SPEAK == 0)
			emit_as(r, (uint32_t)at, ABI_EVENT_ALLOC, 3, a);
	}
}

static struct {
	uint32_t n;
	uint64_t bytes;
} sum;

static void add_up(enum session_change what, const struct session_view *v, void *arg)
{
	if (what == SESSION_ENDED && v->number) {
		sum.n++;
		sum.bytes += v->total.alloc_bytes >> 8;
	}
	(void)arg;
}

Test(process, entries_of_the_dead_serve_others, .timeout = 120)
{
	struct collector_config config = { .rate = 1, .listen_fd = -1, .on_change = add_up, .skip_empty = true };
	struct collector *c;
	struct bench b;
	struct fault f;
	struct fake p;
	char sock[192];

	bench_start(&b, "epoll", exact);
	snprintf(sock, sizeof(sock), "%s/2", b.dir);
	config.socket_path = sock;
	config.out_dir = b.dir;
	cr_assert_eq(collector_new(b.loop, &config, &c, &f), 0, "%s", f.text);
	p = fake_start(sock, has_many_children);
	for (double limit = seconds() + 100; sum.n < MANY && seconds() < limit;)
		cr_assert_eq(loop_turn(b.loop, 50), 0);
	cr_assert_eq(sum.n, MANY);
	cr_assert_eq(sum.bytes, 3 * MANY / SPEAK);
	fake_kill(&p);
	collector_free(c);
	bench_stop(&b);
}

/* An entry that names somebody else's process, which lives. */
static void names_init(struct abi_region *r)
{
	int at = claim_as(r, 1);

	emit_as(r, (uint32_t)at, ABI_EVENT_ALLOC, 3, shim_stack(r, 0x1000, 3));
}

BACKENDS(process, entry_that_names_a_stranger_is_nobodys)
{
	struct bench b;
	struct fake p;

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, names_init);
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 2);
	cr_assert_eq(collector_pending(b.c), 0);
	snapshot_free(snapshot_in(&b, "s1.1"));
	bench_stop(&b);
}

/* Children for whom no entry is free are counted. */
static void cannot_have_more(struct abi_region *r)
{
	for (uint32_t i = 1; i < r->geo.procs; i++)
		store_release(&r->procs[i].state, ABI_PROC_CLAIMED); /* M: and never filled in */
	if (claim_as(r, 77) >= 0)
		_exit(93);
	emit(r, ABI_EVENT_ALLOC, 1, 0);
}

BACKENDS(process, children_without_an_entry_are_counted)
{
	struct bench b;

	bench_start(&b, *backend, exact);
	snapshot_free(snapshot_of_killed(&b, cannot_have_more));
	cr_assert_eq(b.view.unrecorded, 1);
	bench_stop(&b);
}

BACKENDS(process, only_the_wanted_process_attaches)
{
	struct bench b;
	struct fake p;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .only_pid = (uint32_t)getpid() });
	p = fake_start(b.sock, attaches);
	TURN_UNTIL(b.loop, fake_ready(&p));
	cr_assert_eq(b.started, 0);
	fake_kill(&p);
	struct abi_region r;

	bench_attach_self(&b, &r);
	cr_assert_eq(load_relaxed(&r.control->no_follow), 1);
	bench_stop(&b);
}
