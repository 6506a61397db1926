/* tests/unit/test_procmem.c - what /proc says of a process's memory, held against what the process did, and how
 * Go's lines are made of it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "collectord/live/clock.h"
#include "collectord/live/procmem.h"
#include "collectord/profile/snapshot.h"
#include "common/weight.h"

#define MIB (1ull << 20)

TestSuite(procmem, .timeout = 60);

static struct procmem read_self(void)
{
	struct procmem m;

	procmem_read((uint32_t)getpid(), &m);
	cr_assert_eq(m.error, 0);
	return m;
}

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

/* Kernels count pages per thread and add them up late: some hundred are nobody's for a while. */
static void expect_about(uint64_t actual, uint64_t expected, const char *what)
{
	cr_expect(actual + 2 * MIB > expected && actual < expected + 2 * MIB, "%s: %lu, expected %lu", what, actual,
		  expected);
}

Test(procmem, sees_space_and_memory_apart)
{
	struct procmem before = read_self(), after;
	char *p = map(64 * MIB);

	memset(p, 1, 16 * MIB);
	after = read_self();
	expect_about(after.data_space - before.data_space, 64 * MIB, "space");
	expect_about(after.anonymous + after.swapped - before.anonymous - before.swapped, 16 * MIB, "anonymous");
	cr_expect_geq(after.max_rss + 2 * MIB, 16 * MIB);
	cr_expect(after.has_rollup);
	cr_expect_geq(after.private_resident + after.swapped + 2 * MIB, 16 * MIB);
	cr_expect_geq(after.proportional + after.swapped + 2 * MIB, 16 * MIB);
	munmap(p, 64 * MIB);
	expect_about(read_self().data_space, before.data_space, "space");
	cr_expect_geq(read_self().max_rss + 2 * MIB, after.max_rss, "the highest so far");
}

Test(procmem, sees_when_the_process_began)
{
	const int64_t now = (int64_t)clock_read_ns(CLOCK_REALTIME), second = 1000000000;
	struct procmem m = read_self();

	cr_expect(m.started_ns <= now + second && m.started_ns > now - 60 * second, "%ld, now %ld", m.started_ns,
		  now);
}

Test(procmem, a_name_of_parentheses_hides_nothing)
{
	const int64_t before = read_self().started_ns;

	cr_assert_eq(prctl(PR_SET_NAME, ") S 1 (2) 3"), 0);
	cr_expect(before - read_self().started_ns < 100000000 && read_self().started_ns - before < 100000000);
}

Test(procmem, the_dead_have_no_memory)
{
	struct procmem m = { .anonymous = 1 };
	pid_t pid = fork();
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	procmem_read((uint32_t)pid, &m);
	cr_expect_eq(m.error, -ESRCH, "a zombie");
	cr_expect_eq(m.anonymous, 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	procmem_read((uint32_t)pid, &m);
	cr_expect_eq(m.error, -ESRCH);
	procmem_read(0, &m);
	cr_expect_eq(m.error, -ESRCH);
	procmem_read(UINT32_MAX, &m);
	cr_expect_eq(m.error, -ESRCH);
}

/* The right to trace is needed for smaps_rollup only. */
Test(procmem, goes_without_what_it_may_not_read)
{
	struct procmem m;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("takes another user");
	pid = fork();
	if (pid == 0) {
		if (setuid(65534))
			_exit(1);
		procmem_read((uint32_t)getppid(), &m);
		_exit(m.error ? 2 : m.has_rollup ? 3 : !m.data_space ? 4 : 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "check %d", WEXITSTATUS(status));
}

/* --- as Go's lines ------------------------------------------------------------------------------------------- */

static struct snapshot origin = { .wall_ns = 5000000000 };
static const struct profile of_snapshot = { .origin = &origin };
static const struct procmem known = {
	.started_ns = 1,
	.data_space = 1000,
	.stack_space = 30,
	.anonymous = 500,
	.swapped = 100,
	.max_rss = 7,
	.has_rollup = true,
	.private_resident = 8,
	.proportional = 9,
};

static struct memstats filled(const struct procmem *pm, uint64_t alloc, uint64_t own)
{
	struct memstats m = { .alloc = alloc, .own_space = own };

	procmem_fill(pm, &of_snapshot, &m);
	return m;
}

Test(procmem, parts_add_up_as_in_go)
{
	struct memstats m = filled(&known, 250, 100);

	cr_expect_null(m.why_unknown);
	cr_expect_eq(m.heap_sys, 900);
	cr_expect_eq(m.sys, m.heap_sys + m.stack_sys + m.other_sys);
	cr_expect_eq(m.other_sys, 100);
	cr_expect_eq(m.stack_sys, 30);
	cr_expect_eq(m.heap_idle, 650);
	cr_expect_eq(m.anonymous, 600);
	cr_expect_eq(m.heap_released, 900 - (600 - 30));
	cr_expect_eq(m.max_rss, 7);
	cr_expect(m.has_resident);
	cr_expect_eq(m.private_resident, 8);
	cr_expect_eq(m.proportional, 9);
	cr_expect_eq(m.swapped, 100);
}

/* Estimates may be larger than what there is, and objects may have no memory yet. */
Test(procmem, nothing_is_below_0)
{
	struct procmem odd = { .started_ns = 1, .data_space = 10, .stack_space = 50, .anonymous = 20 };
	struct memstats m = filled(&odd, 5000, 100);

	cr_expect_eq(m.heap_sys, 0);
	cr_expect_eq(m.heap_idle, 0);
	cr_expect_eq(m.heap_released, 0);
	m = filled(&known, 850, 0);
	cr_expect_eq(m.heap_idle, 150);
	cr_expect_eq(m.heap_released, 150, "untouched objects are not idle");
}

Test(procmem, another_process_or_none_is_not_told_of)
{
	const struct profile no_origin = { 0 };
	struct procmem later = known, dead = { .error = -ESRCH }, shut = { .error = -EACCES };
	struct memstats m = { 0 };

	later.started_ns = origin.wall_ns + 2000000000;
	cr_expect_not_null(strstr(filled(&later, 1, 1).why_unknown, "another one"));
	cr_expect_eq(filled(&later, 1, 1).sys, 0);
	cr_expect_not_null(strstr(filled(&dead, 1, 1).why_unknown, "has ended"));
	cr_expect_not_null(strstr(filled(&shut, 1, 1).why_unknown, "cannot be read"));
	cr_expect_not_null(strstr(filled(NULL, 1, 1).why_unknown, "only a running"));
	procmem_fill(&known, &no_origin, &m);
	cr_expect_not_null(m.why_unknown);
}

/* --- what the profile says ----------------------------------------------------------------------------------- */

static struct memstats stats_of(const struct snapshot *s)
{
	const struct profile p = { .origin = s };
	struct memstats m;

	memstats_of(&p, &m);
	return m;
}

static struct snapshot exact_snapshot(void)
{
	return (struct snapshot){ .rate = 1,
				  .total = { .alloc_count = 10ull << WEIGHT_COUNT_SHIFT,
					     .alloc_bytes = 1000ull << WEIGHT_BYTES_SHIFT,
					     .free_count = 4ull << WEIGHT_COUNT_SHIFT,
					     .free_bytes = 300ull << WEIGHT_BYTES_SHIFT },
				  .audit = { .counted = 1000, .own_space = 77 } };
}

Test(procmem, exact_only_if_everything_was_recorded)
{
	struct snapshot s = exact_snapshot();

	cr_expect(stats_of(&s).is_exact);
	cr_expect_eq(stats_of(&s).alloc, 700);
	cr_expect_eq(stats_of(&s).own_space, 77);
	s.audit.counted = 1010; /* requests of 0 bytes count as 1 */
	cr_expect(stats_of(&s).is_exact);
	cr_expect_eq(stats_of(&s).total_alloc, 1000);
	s.audit.counted = 1011; /* began with another T, before any sample */
	cr_expect_not(stats_of(&s).is_exact);
	s = exact_snapshot();
	s.audit.untracked = 1;
	cr_expect_not(stats_of(&s).is_exact);
	s = exact_snapshot();
	s.total.var_alloc_bytes = 1;
	cr_expect_not(stats_of(&s).is_exact);
	s = exact_snapshot();
	s.rate = 2;
	cr_expect_not(stats_of(&s).is_exact);
	s = exact_snapshot();
	s.audit.counted = 0; /* a snapshot of before there was a count */
	cr_expect(stats_of(&s).is_exact);
}

Test(procmem, total_of_a_sampled_program_is_its_count)
{
	struct snapshot s = exact_snapshot();

	s.rate = 4096;
	s.audit.counted = 123456;
	s.audit.uncounted = 1 << 20;
	cr_expect(stats_of(&s).is_counted);
	cr_expect_eq(stats_of(&s).total_alloc, 123456);
	cr_expect_eq(stats_of(&s).uncounted, 1 << 20);
	s.audit.counted = s.audit.uncounted = 0;
	cr_expect_not(stats_of(&s).is_counted);
	cr_expect_eq(stats_of(&s).total_alloc, 1000, "the estimate");
}
