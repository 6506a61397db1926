/* tests/unit/shim_hooks.c - the built library in real processes: nothing a program sees may change, and at rate 1
 * the events must be exactly what the program did.  Oracle for invisibility: the same victim without the library.
 */
#include <math.h>

#include "tests/unit/shim_run.h"

TestSuite(hooks, .init = find_build, .timeout = 60);

static void expect_invisible(const char *victim, uint32_t rate)
{
	static char plain[1 << 16], traced[1 << 16];
	static struct server s;
	int status = run("", victim, plain, sizeof(plain));

	cr_assert_eq(status, 0);
	cr_assert_gt(strlen(plain), 100);
	cr_expect_eq(run_recorded(&s, rate, victim, traced, sizeof(traced)), status);
	cr_expect(strcmp(traced, plain) == 0, "%s differs", victim);
	server_done(&s);
}

Test(hooks, entry_points_look_the_same_when_everything_is_recorded)
{
	expect_invisible("tests/victims/entry_points", 1);
}

Test(hooks, entry_points_look_the_same_when_sampled_often)
{
	expect_invisible("tests/victims/entry_points", 100);
}

Test(hooks, entry_points_look_the_same_without_a_collector)
{
	static char plain[1 << 16], traced[1 << 16];
	char env[1024];

	snprintf(env, sizeof(env), "HEAPTAP_SOCKET=/nonexistent LD_PRELOAD=%s/libheaptap.so", build);
	run("", "tests/victims/entry_points", plain, sizeof(plain));
	cr_expect_eq(run(env, "tests/victims/entry_points", traced, sizeof(traced)), 0);
	cr_expect_str_eq(traced, plain);
}

Test(hooks, record_each_entry_point_once_and_from_its_caller)
{
	expect_known_blocks("");
}

/* The countdown in the hooks and the sampler's must agree to the byte.  Bounds at 5 standard deviations: a false
 * alarm in a million runs. */
Test(hooks, sample_tiny_sizes_with_their_probability)
{
	static struct server s;
	static char out[256];

	cr_assert_eq(run_recorded(&s, 4, "tests/victims/tiny_blocks", out, sizeof(out)), 0);
	uint32_t n = server_drain(&s, events, MAX_EVENTS);

	cr_assert_lt(n, MAX_EVENTS);
	cr_assert_eq(load_relaxed(&s.r.procs[0].spilled), 0);
	for (uint64_t size = 0; size < 4; size++) {
		double p = -expm1(-(double)(size ? size : 1) / 4), expected = 20000 * p;
		int hits = count_events(n, size, ABI_EVENT_ALLOC);

		cr_expect_lt(fabs(hits - expected), 5 * sqrt(expected * (1 - p)), "size %lu: %d hits, expected %g",
			     size, hits, expected);
	}
	server_done(&s);
}

/* In a process that frees everything, allocs and frees must pair off block by block. */
Test(hooks, balance_allocs_and_frees_of_real_programs)
{
	static const char *const programs[] = { "/usr/bin/python3 -c 'print(sum(range(100000)))'",
						"/bin/bash -c 'for i in 1 2 3; do echo $i; done'",
						"/usr/bin/git --version" };

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		static char plain[4096], traced[4096];
		static struct server s;
		uint64_t allocs = 0, frees = 0;

		run("", programs[i], plain, sizeof(plain));
		cr_expect_eq(run_recorded(&s, 1, programs[i], traced, sizeof(traced)), 0);
		cr_expect_str_eq(traced, plain);
		uint32_t n = server_drain(&s, events, MAX_EVENTS);

		for (uint32_t k = 0; k < n; k++) {
			allocs += events[k].kind == ABI_EVENT_ALLOC;
			frees += events[k].kind == ABI_EVENT_FREE;
		}
		cr_expect_gt(allocs, 10, "%s: status %u", programs[i], s.heard.status);
		cr_expect_leq(frees, allocs);
		server_done(&s);
	}
}

/* A twin takes the return address it finds for the program's: so hooks must jump to it, never call. */
Test(hooks, reach_everything_by_tail_jumps)
{
	static const char *const hooks[] = { "malloc", "calloc",  "realloc",       "reallocarray",
					     "free",   "cfree",   "memalign",      "aligned_alloc",
					     "valloc", "pvalloc", "posix_memalign" };

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		expect_tail_jumps(hooks[i]);
}

#if defined(__x86_64__)
/* Instructions of `hook` up to and with the jump to the real function. */
static int instructions_of(const char *hook)
{
	static char code[1 << 16];
	char command[256];
	int n = 0;

	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn --disassemble=%s libheaptap.so", hook);
	cr_assert_eq(run("", command, code, sizeof(code)), 0);
	for (char *line = strtok(code, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] != ' ')
			continue;
		n++;
		if (strstr(line, "jmp") && strstr(line, "*"))
			return n;
	}
	cr_assert_fail("%s never jumps to the real function", hook);
	return n;
}

/* What an unsampled block costs a program is this many instructions, wherever the compiler puts them. */
Test(hooks, add_fourteen_instructions_to_an_unsampled_pair)
{
	cr_expect_leq(instructions_of("malloc") + instructions_of("free"), 14);
}
#endif
