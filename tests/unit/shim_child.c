/* tests/unit/shim_child.c - forked children of an armed process: what they tell before their first event.
 *
 * The region of shim_armed.h is private memory, so each child here reads its own copy of it: what it reads there
 * beyond its parent's past is what it wrote itself.  A child's exit status says which check failed. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/weight.h"
#include "preload/child.h"
#include "preload/unwind.h"
#include "tests/unit/shim_armed.h"

static void setup(void)
{
	armed_start_as_process(1024);
}

TestSuite(child, .init = setup, .timeout = 60);

/* What was written for one process since the last look. */
struct told {
	uint64_t inherited, inherited_bytes, allocs, frees;
	bool in_order; /* nothing before the last inherited block */
};

static struct told look(uint32_t proc)
{
	struct told r = { .in_order = true };
	struct spill_sums s = spilled();
	struct abi_event e;

	for (uint32_t l = 0; l < t.r.geo.lanes; l++) {
		while (lane_copy(&t.r, l, &tails[l], &e, 1) == 1) {
			if (e.proc != proc)
				continue;
			if (e.kind == ABI_EVENT_INHERITED) {
				r.inherited += e.flags & ABI_EVENT_MANY ? e.born_ns : 1;
				r.inherited_bytes += e.size;
				r.in_order &= !r.allocs && !r.frees;
			}
			r.allocs += e.kind == ABI_EVENT_ALLOC;
			r.frees += e.kind == ABI_EVENT_FREE;
		}
		lane_release(&t.r, l, tails[l]);
	}
	r.inherited += s.inherited.events;
	r.inherited_bytes += s.inherited.bytes >> WEIGHT_BYTES_SHIFT;
	return r;
}

#define MUST(cond)                                                    \
	do {                                                          \
		if (!(cond))                                          \
			_exit(__LINE__ & 0xff ? __LINE__ & 0xff : 1); \
	} while (0)

static void expect_back(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "the check at line %d (mod 256) failed", WEXITSTATUS(status));
}

Test(child, tells_what_it_inherited_before_its_first_alloc)
{
	void *a = record_malloc(100), *b = record_malloc(50);
	struct told r;
	pid_t pid;

	record_free(b);
	drain();
	pid = fork();
	if (pid == 0) {
		MUST(attach_holder() == 0 && child_is_fresh());
		record_malloc(10);
		MUST(attach_holder() == 2);
		r = look(1);
		MUST(r.inherited == 1 && r.inherited_bytes == 100 && r.allocs == 1 && r.frees == 0 && r.in_order);
		record_free(a);
		r = look(1);
		MUST(r.inherited == 0 && r.frees == 1);
		MUST(load_relaxed(&t.r.procs[1].pid) == (uint32_t)getpid());
		MUST(load_relaxed(&t.r.procs[1].parent) == 0);
		MUST(load_relaxed(&t.r.procs[1].parent_pid) == (uint32_t)getppid());
		_exit(0);
	}
	expect_back(pid);
	cr_expect_eq(attach_holder(), 1);
}

Test(child, tells_of_a_block_whose_free_is_its_first_event)
{
	void *a = record_malloc(100);
	pid_t pid;

	record_malloc(7);
	drain();
	pid = fork();
	if (pid == 0) {
		record_free(a);
		struct told r = look(1);

		MUST(r.inherited == 2 && r.inherited_bytes == 107 && r.frees == 1 && r.in_order);
		_exit(0);
	}
	expect_back(pid);
}

Test(child, realloc_of_an_inherited_block_is_its_end)
{
	void *a = record_malloc(100);
	pid_t pid = fork();

	if (pid == 0) {
		drain();
		record_realloc(a, 300);
		_exit(0);
	}
	expect_back(pid);
	pid = fork();
	if (pid == 0) {
		look(1);
		record_realloc(a, 300);
		struct told r = look(1);

		MUST(r.inherited == 1 && r.inherited_bytes == 100 && r.frees == 1 && r.allocs == 1);
		_exit(0);
	}
	expect_back(pid);
}

Test(child, tells_many_blocks_by_stack)
{
	enum { N = 7000 * 5 }; /* more than are told one by one */
	pid_t pid;

	cr_assert_eq(live_init(2 * N), 0);
	for (uintptr_t i = 1; i <= N; i++)
		cr_assert(live_insert((void *)(i * 64),
				      &(struct live_entry){ .size = i, .rate = 1, .stack = i % 100 }));
	pid = fork();
	if (pid == 0) {
		record_malloc(1);
		struct told r = look(1);

		MUST(r.inherited == N && r.inherited_bytes == (uint64_t)N * (N + 1) / 2);
		_exit(0);
	}
	expect_back(pid);
}

Test(child, is_passive_after_a_bare_clone_and_so_are_its_children)
{
	void *a = record_malloc(10);
	pid_t pid;

	drain();
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		record_free(record_malloc(5));
		MUST(attach_holder() == 0 && !child_is_fresh());
		pid = fork();
		if (pid == 0) {
			record_free(a);
			MUST(attach_holder() == 0 && load_relaxed(&t.r.cursors->procs) == 1);
			_exit(0);
		}
		int status = 1;

		MUST(waitpid(pid, &status, 0) == pid && status == 0);
		struct told r = look(0);

		MUST(!r.allocs && !r.frees && !r.inherited);
		_exit(0);
	}
	expect_back(pid);
}

Test(child, is_passive_where_it_is_not_wanted_or_has_no_room)
{
	pid_t pid;

	for (int full = 0; full < 2; full++) {
		for (uint32_t i = 1; full && i < t.r.geo.procs; i++)
			store_relaxed(&t.r.procs[i].state, ABI_PROC_ACTIVE);
		store_relaxed(&t.r.control->no_follow, !full);
		pid = fork();
		if (pid == 0) {
			record_free(record_malloc(5));
			record_free(record_malloc(5));
			MUST(attach_holder() == 0 && !child_is_fresh());
			MUST(load_relaxed(&t.r.cursors->refused) == (uint32_t)full);
			_exit(0);
		}
		expect_back(pid);
	}
}

Test(child, has_samples_of_its_own)
{
	uint32_t streams[4];
	int p[2];

	cr_assert_eq(pipe(p), 0);
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(write(p[1], &attach.stream, sizeof(attach.stream)) != sizeof(attach.stream));
		expect_back(pid);
		cr_assert_eq(read(p[0], &streams[i], sizeof(streams[i])), (ssize_t)sizeof(streams[i]));
		cr_expect_neq(streams[i], attach.stream);
		for (int k = 0; k < i; k++)
			cr_expect_neq(streams[i], streams[k]);
	}
}

static pthread_barrier_t barrier;

static struct unwind_start here(void)
{
	return (struct unwind_start){ .ip = (uintptr_t)__builtin_return_address(0),
				      .sp = (uintptr_t)__builtin_dwarf_cfa(),
				      .fp = *(const uintptr_t *)__builtin_frame_address(0) };
}

/* Is in the middle of every walk there can be. */
static void *walks_all_the_time(void *arg)
{
	for (uint32_t hint = 0; hint < 64; hint++) {
		struct unwind_start at = here();

		unwind_walk(&at, 16, hint);
	}
	pthread_barrier_wait(&barrier);
	pause();
	return arg;
}

Test(child, gets_back_the_walks_of_threads_it_does_not_have)
{
	struct unwind_start at = here();
	pthread_t thread;
	pid_t pid;

	cr_assert_eq(unwind_init(&t.r, environ), 0);
	cr_assert_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
	cr_assert_eq(pthread_create(&thread, NULL, walks_all_the_time, NULL), 0);
	pthread_barrier_wait(&barrier);
	cr_assert_null(unwind_walk(&at, 16, 3), "the test should have taken them all");
	pid = fork();
	if (pid == 0) {
		const struct unwind_stack *s = unwind_walk(&at, 16, 3);

		MUST(s);
		unwind_done(s);
		_exit(0);
	}
	expect_back(pid);
}
