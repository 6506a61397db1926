/* tests/unit/shim_company.c - the built library among others and in hard places: a second copy, other allocators,
 * calls before relocation, programs with libc's names, sandboxes, forks, limits. */
#include "common/spill.h"
#include "tests/unit/shim_run.h"

TestSuite(company, .init = find_build, .timeout = 60);

/* One copy does the work, whichever is called first; the other keeps quiet. */
Test(company, two_copies_are_one)
{
	static struct server s;
	static char out[4096], copy[600];

	snprintf(copy, sizeof(copy), "/tmp/heaptap-copy-%d.so", getpid());
	snprintf(out, sizeof(out), "libheaptap.so %s", copy);
	cr_assert_eq(run("cp", out, out, sizeof(out)), 0);
	expect_known_blocks(copy);
	cr_expect_eq(run_among(&s, 1, "", copy, "/usr/bin/python3 -c 'print(1)'", out, sizeof(out)), 0);
	cr_expect_eq(s.n_heard, 1);
	server_done(&s);
	unlink(copy);
}

Test(company, forward_to_another_allocator_behind_us)
{
	static struct server s;
	static char plain[1 << 16], traced[1 << 16];
	char env[256];

	expect_known_blocks(jemalloc());
	snprintf(env, sizeof(env), "LD_PRELOAD=%s", jemalloc());
	cr_assert_eq(run(env, "tests/victims/entry_points nopvalloc", plain, sizeof(plain)), 0);
	cr_expect_eq(
		run_among(&s, 1, "", jemalloc(), "tests/victims/entry_points nopvalloc", traced, sizeof(traced)),
		0);
	cr_expect(strcmp(traced, plain) == 0, "it looks different");
	cr_expect_eq(s.heard.status, HELLO_ACTIVE);
	cr_expect_not_null(strstr(s.heard.allocator, "libjemalloc"));
	server_done(&s);
	/* jemalloc has no pvalloc(); libc's block would kill it, one composed of its own memalign() does not. */
	cr_expect_eq(run_among(&s, 1, "", jemalloc(), "tests/victims/entry_points", traced, sizeof(traced)), 0);
	server_done(&s);
}

/* Run, look the same as without us, and say why nothing will be recorded. */
static void expect_passive(const char *front, const char *behind, const char *command, enum hello_status why)
{
	static struct server s;
	static char plain[1 << 16], traced[1 << 16];
	char env[1024];

	snprintf(env, sizeof(env), "LD_PRELOAD='%s %s'", front, behind);
	cr_assert_eq(run(env, command, plain, sizeof(plain)), 0);
	cr_expect_eq(run_among(&s, 1, front, behind, command, traced, sizeof(traced)), 0);
	cr_expect(strcmp(traced, plain) == 0, "%s differs", command);
	cr_expect_eq(s.heard.status, why, "status %u", s.heard.status);
	cr_expect_eq(load_relaxed(&s.r.cursors->procs), 0, "it attached all the same");
	server_done(&s);
}

Test(company, tell_when_another_allocator_is_in_front)
{
	expect_passive(jemalloc(), "", "tests/victims/entry_points nopvalloc", HELLO_BEHIND_ANOTHER);
}

Test(company, tell_when_the_program_has_its_own_malloc)
{
	expect_passive("", "", "tests/victims/own_malloc", HELLO_EXE_DEFINES_MALLOC);
}

Test(company, tell_when_the_family_is_mixed)
{
	expect_passive("", "tests/victims/half_allocator.so", "tests/victims/entry_points", HELLO_MIXED_ALLOCATORS);
}

/* --- hard places --------------------------------------------------------------------------------------------- */

Test(company, survive_calls_before_relocation_and_before_the_constructor)
{
	static struct server s;
	static char out[4096];

	cr_expect_eq(run_among(&s, 1, "", "tests/victims/before_relocation.so", "/bin/true", out, sizeof(out)), 0);
	cr_expect_str_eq(out, "relocation survived\n");
	server_done(&s);
}

/* The executable's own functions shadow libc's for every library, so also for ours. */
Test(company, never_call_into_the_program)
{
	static struct server s;
	static char out[4096];

	cr_expect_eq(run_recorded(&s, 1, "tests/victims/own_names", out, sizeof(out)), 0);
	cr_expect_str_eq(out, "undisturbed\n");
	cr_expect_eq(count_events(server_drain(&s, events, MAX_EVENTS), 10000000, ABI_EVENT_ALLOC), 1000);
	server_done(&s);
}

Test(company, make_no_system_call_in_a_strict_sandbox)
{
	static struct server s;
	static char out[4096];

	cr_expect_eq(run_recorded(&s, 1, "tests/victims/strict_seccomp", out, sizeof(out)), 0);
	cr_expect_str_eq(out, "sandboxed\n");
	cr_expect_geq(server_drain(&s, events, MAX_EVENTS) + load_relaxed(&s.r.procs[0].spilled), 20000);
	server_done(&s);
}

static int count_of(uint32_t n, uint32_t proc, uint64_t size, enum abi_event_kind kind)
{
	int found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += events[i].proc == proc && events[i].size == size && events[i].kind == kind;
	return found;
}

Test(company, tell_threads_and_forked_children_apart)
{
	static struct server s;
	static char out[4096];
	unsigned size, tid;
	int at = 0, more, threads = 0;

	cr_assert_eq(run_recorded(&s, 1, "tests/victims/threads_and_children", out, sizeof(out)), 0);
	uint32_t n = server_drain(&s, events, MAX_EVENTS);

	for (; sscanf(out + at, "%u %u%n", &size, &tid, &more) == 2; at += more, threads++) {
		cr_assert_eq(count_events(n, size, ABI_EVENT_ALLOC), 1);
		cr_expect_eq(find_event(n, size, ABI_EVENT_ALLOC)->tid, tid);
		cr_expect_eq(find_event(n, size, ABI_EVENT_FREE)->tid, tid);
	}
	cr_expect_eq(threads, 5);
	cr_expect_eq(count_of(n, 0, 30000000, ABI_EVENT_ALLOC), 0);
	cr_expect_eq(count_of(n, 1, 30000000, ABI_EVENT_ALLOC), 1000, "a forked child reports its own");
	cr_expect_eq(count_of(n, 1, 50000000, ABI_EVENT_INHERITED), 1);
	for (uint32_t proc = 0; proc < 2; proc++)
		cr_expect_eq(count_of(n, proc, 50000000, ABI_EVENT_FREE), 1, "each frees its own copy");
	cr_expect_eq(load_relaxed(&s.r.procs[1].parent_pid), load_relaxed(&s.r.procs[0].pid));
	cr_expect_eq(count_of(n, 0, 40000001, ABI_EVENT_ALLOC), 1, "a vforked child shares its parent's heap");
	server_done(&s);
}

/* Every event of the parent is accounted for, whatever was interrupted by a fork, and the entries go to children.
 */
Test(company, survive_forks_among_threads)
{
	static struct server s;
	static char out[4096];

	cr_expect_eq(run_recorded(&s, 1, "tests/victims/fork_storm", out, sizeof(out)), 0);
	cr_expect_str_eq(out, "200 children came back\n");
	struct abi_proc *p = &s.r.procs[0];
	uint64_t n_spilled = 0, allocs = 0, frees = 0;
	uint32_t got;

	while ((got = server_drain(&s, events, MAX_EVENTS)))
		for (uint32_t i = 0; i < got; i++)
			*(events[i].kind == ABI_EVENT_FREE ? &frees : &allocs) += events[i].proc == 0;
	cr_expect_eq(load_relaxed(&s.r.cursors->refused), 200 - 3, "all entries are taken, nobody gives them back");
	for (uint32_t i = 0; i < s.r.geo.spill_slots; i++) {
		struct spill_sums sums;
		uint32_t proc, stack;

		if (!spill_read(&s.r, i, &proc, &stack, &sums) || proc != 0)
			continue;
		allocs += sums.alloc.events;
		frees += sums.freed.events;
		n_spilled += sums.alloc.events + sums.freed.events;
	}
	cr_expect_eq(n_spilled, load_relaxed(&p->spilled));
	cr_expect_leq(frees, allocs);
	cr_expect_lt(allocs - frees, 1000, "the threads free all they allocate");
	server_done(&s);
}

/* Too few descriptors, too little address space, no room for a file: passive or smaller, never different. */
Test(company, obey_resource_limits)
{
	static const char *const limits[] = { "-n 4", "-v 100000", "-f 0", "-l 0", "-s unlimited", "-s 256" };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		static char plain[1 << 16], traced[1 << 16];
		static struct server s;
		struct abi_geometry geo = geometry();
		char command[1024];

		server_init(&s, 1, &geo);
		server_start(&s);
		snprintf(command, sizeof(command), "sh -c 'ulimit %s; exec tests/victims/entry_points'", limits[i]);
		cr_assert_eq(run("", command, plain, sizeof(plain)), 0, "ulimit %s without us", limits[i]);
		snprintf(command, sizeof(command),
			 "sh -c 'ulimit %s; HEAPTAP_SOCKET=%s LD_PRELOAD=%s/libheaptap.so exec "
			 "tests/victims/entry_points'",
			 limits[i], s.path, build);
		cr_expect_eq(run("", command, traced, sizeof(traced)), 0, "ulimit %s", limits[i]);
		cr_expect(strcmp(traced, plain) == 0, "ulimit %s", limits[i]);
		server_stop(&s);
		server_done(&s);
	}
}
