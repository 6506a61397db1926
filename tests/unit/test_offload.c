/* tests/unit/test_offload.c - bytes made by a copy of the process: what comes back, what when it dies, who waits.
 */
#include "collectord/live/offload.h"
#include "tests/unit/control_fixture.h"

struct made {
	unsigned calls;
	int result, fd;
};

static void on_made(void *arg, int result, int fd)
{
	struct made *m = arg;

	m->calls++;
	m->result = result;
	m->fd = fd;
}

static int make_bytes(const void *arg, void **ret_buf, size_t *ret_len)
{
	*ret_len = *(const size_t *)arg;
	*ret_buf = malloc(*ret_len + 1);
	memset(*ret_buf, 'x', *ret_len);
	return 0;
}

static int make_error(const void *arg, void **ret_buf, size_t *ret_len)
{
	(void)arg, (void)ret_buf, (void)ret_len;
	return -ENOMEM;
}

static int make_crash(const void *arg, void **ret_buf, size_t *ret_len)
{
	(void)arg, (void)ret_buf, (void)ret_len;
	raise(SIGKILL);
	return 0;
}

static int make_never(const void *arg, void **ret_buf, size_t *ret_len)
{
	(void)arg, (void)ret_buf, (void)ret_len;
	pause();
	return 0;
}

/* A pid of a child of ours, or 0; a zombie is one. */
static pid_t any_child(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

BACKENDS(offload, bytes_come_back_whole)
{
	const size_t sizes[] = { 0, 1, 4096, 10000000 };
	struct loop *l = test_loop(*backend);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct made m = { 0 };
		struct offload *w;
		char last = 'x';

		cr_assert_eq(offload_start(l, make_bytes, &sizes[i], on_made, &m, &w), 0);
		TURN_UNTIL(l, m.calls == 1);
		cr_assert_eq(m.result, 0);
		cr_assert_eq(lseek(m.fd, 0, SEEK_END), (off_t)sizes[i]);
		if (sizes[i])
			cr_assert_eq(pread(m.fd, &last, 1, (off_t)sizes[i] - 1), 1);
		cr_assert_eq(last, 'x');
		close(m.fd);
	}
	cr_assert_eq(any_child(), 0, "they are reaped");
	loop_free(l);
}

BACKENDS(offload, errors_and_deaths_are_told)
{
	struct loop *l = test_loop(*backend);
	struct made m = { 0 };
	struct offload *w;

	cr_assert_eq(offload_start(l, make_error, NULL, on_made, &m, &w), 0);
	TURN_UNTIL(l, m.calls == 1);
	cr_assert_eq(m.result, -ENOMEM);
	cr_assert_eq(offload_start(l, make_crash, NULL, on_made, &m, &w), 0);
	TURN_UNTIL(l, m.calls == 2);
	cr_assert_eq(m.result, -EIO);
	cr_assert_eq(m.fd, -1);
	loop_free(l);
}

BACKENDS(offload, who_is_not_wanted_any_more_is_gone)
{
	struct loop *l = test_loop(*backend);
	unsigned before = count_files("/proc/self/fd", "");
	struct made m = { 0 };
	struct offload *w;

	cr_assert_eq(offload_start(l, make_never, NULL, on_made, &m, &w), 0);
	cr_assert_eq(loop_turn(l, 0), 0);
	offload_cancel(w);
	cr_assert_eq(any_child(), 0);
	TURN_UNTIL(l, count_files("/proc/self/fd", "") == before);
	cr_assert_eq(m.calls, 0);
	loop_free(l);
}

static void many_stacks(struct abi_region *r)
{
	for (uint64_t i = 0; i < 5000; i++) {
		struct abi_event e = event(ABI_EVENT_ALLOC, 16, 1, shim_stack(r, 0x100000 + 64 * i, 8));

		shim_emit(r, &e);
	}
}

static void stop(pid_t pid)
{
	siginfo_t info;

	cr_assert_neq(pid, 0, "nobody else encodes it");
	kill(pid, SIGSTOP);
	/* It stands, or was through already. */
	waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT);
}

/* Whoever attaches while a large session is encoded is served. */
BACKENDS(offload, large_snapshot_keeps_nobody_waiting)
{
	struct bench b;
	struct abi_region r;
	struct snapshot *s;
	pid_t copy;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	bench_attach_self(&b, &r);
	many_stacks(&r);
	collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	cr_assert_eq(loop_turn(b.loop, 0), 0);
	copy = any_child();
	stop(copy);
	assert_serves(&b);
	kill(copy, SIGCONT);
	TURN_UNTIL(b.loop, b.saved == 2);
	s = bench_snapshot(&b, "s1/0001-signal.heaptap");
	cr_assert_eq(s->n_stacks, 5000);
	snapshot_free(s);
	bench_stop(&b);
}

/* `heaptap top PID` of a large one: others are answered meanwhile, and a third asker waits its turn. */
BACKENDS(offload, large_answer_keeps_nobody_waiting)
{
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_FETCH), list = good_request(CONTROL_LIST);
	struct reply a;
	int socks[4];
	pid_t copy = 0;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	bench_attach_self(&b, &r);
	many_stacks(&r);
	q.pid = (uint32_t)getpid();
	socks[0] = ask_begin(&b, &q, sizeof(q));
	TURN_UNTIL(b.loop, (copy = any_child()) != 0);
	stop(copy);
	a = ask_bench(&b, &list);
	cr_assert_eq(reply_error(&a), 0);
	kill(copy, SIGCONT);
	for (int i = 1; i < 4; i++)
		socks[i] = ask_begin(&b, &q, sizeof(q));
	for (int i = 0; i < 4; i++) {
		a = ask_end(&b, socks[i]);
		cr_assert_eq(reply_error(&a), 0, "asker %d", i);
	}
	bench_stop(&b);
}

/* ASan: nothing is left when all ends in the middle. */
BACKENDS(offload, collector_may_end_while_copies_work)
{
	struct bench b;
	struct abi_region r;
	struct control_request q = good_request(CONTROL_FETCH);
	int sock;

	bench_start(&b, *backend, (struct collector_config){ .rate = 1 });
	bench_attach_self(&b, &r);
	many_stacks(&r);
	collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	q.pid = (uint32_t)getpid();
	sock = ask_begin(&b, &q, sizeof(q));
	for (int i = 0; i < 3; i++)
		cr_assert_eq(loop_turn(b.loop, 0), 0);
	bench_stop(&b);
	cr_assert_eq(any_child(), 0);
	close(sock);
}
