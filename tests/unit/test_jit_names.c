/* tests/unit/test_jit_names.c - which frames a perf map may name, and which maps are believed. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/convert.h"
#include "collectord/profile/jit_names.h"
#include "collectord/profile/symbolize.h"
#include "tests/unit/tool.h"

#define SECOND 1000000000ll
#define BEGAN 1700000000ll /* of the run, which takes 10 seconds */

static struct profile *p;
static char map[PATH_MAX];

static void write_map(const char *text)
{
	tool_write(map, text, strlen(text));
}

static void changed_at(int64_t s, long ns)
{
	struct timespec times[2] = { { s, ns }, { s, ns } };

	cr_assert_eq(utimensat(AT_FDCWD, map, times, 0), 0);
}

static void setup(void)
{
	struct profile_mapping m = { .start = 0x5000, .limit = 0x6000, .file = "/x", .build_id = "" };
	char name[32];

	p = profile_new();
	p->time_nanos = (BEGAN + 10) * SECOND;
	p->duration_nanos = 10 * SECOND;
	p->process = (struct profile_process){ .pid = 7, .uid = getuid(), .ended = true };
	profile_add_mapping(p, &m);
	profile_add_location(p, PROFILE_NONE, 0x1008);
	snprintf(name, sizeof(name), "perf-%d.map", getpid()); /* tests run side by side */
	tool_scratch(map, name);
	write_map("1000 10 JS:*f\n2000 10 g\n2008 10 h\n5000 10 not mine\n3000 10 <module>\n");
	changed_at(BEGAN + 5, 0);
}

static void teardown(void)
{
	unlink(map);
	profile_free(p);
}

TestSuite(jit_names, .init = setup, .fini = teardown);

static size_t named(void)
{
	size_t n = 0;

	cr_assert_eq(jit_names_add_from(p, map, &n), 0);
	return n;
}

static const struct profile_function *name_of(uint32_t location)
{
	const struct profile_location *l = &p->locations[location];

	cr_assert_leq(l->n_lines, 1);
	return l->n_lines ? &p->functions[l->lines[0].function] : NULL;
}

Test(jit_names, only_code_outside_modules_is_named)
{
	uint32_t in_module = profile_add_location(p, 0, 0x5008);
	uint32_t uncovered = profile_add_location(p, PROFILE_NONE, 0x1010);
	uint32_t disputed = profile_add_location(p, PROFILE_NONE, 0x2009);
	uint32_t python = profile_add_location(p, PROFILE_NONE, 0x3000);

	cr_assert_eq(named(), 3);
	cr_assert_str_eq(name_of(0)->name, "JS:*f");
	cr_assert_null(name_of(in_module));
	cr_assert_null(name_of(uncovered));
	cr_assert_str_eq(name_of(disputed)->name, JIT_DISPUTED);
	cr_assert_str_eq(name_of(python)->name, "<module>");
	cr_assert_str_eq(name_of(python)->system_name, "", "pprof would demangle it");
}

Test(jit_names, what_has_a_name_keeps_it)
{
	cr_assert_eq(named(), 1);
	write_map("1000 10 other\n");
	changed_at(BEGAN + 5, 0);
	cr_assert_eq(named(), 0);
	cr_assert_str_eq(name_of(0)->name, "JS:*f");
}

Test(jit_names, a_map_from_before_the_run_is_not_believed)
{
	changed_at(BEGAN - 1, 999999999);
	cr_assert_eq(named(), 0);
	changed_at(BEGAN, 0);
	cr_assert_eq(named(), 1);
}

/* The pid is somebody else's by now. */
Test(jit_names, a_map_from_after_the_end_is_not_believed)
{
	changed_at(BEGAN + 10, 1);
	cr_assert_eq(named(), 0);
	changed_at(BEGAN + 10, 0);
	cr_assert_eq(named(), 1);
}

Test(jit_names, a_process_that_lives_on_may_have_gone_on_writing)
{
	p->process.ended = false;
	changed_at(BEGAN + 20, 0);
	cr_assert_eq(named(), 1);
}

Test(jit_names, only_its_user_or_root_can_have_written_the_map)
{
	if (getuid())
		cr_skip_test("only root can give files away");
	cr_assert_eq(chown(map, 4711, 4711), 0);
	cr_assert_eq(named(), 0, "a stranger's");
	p->process.uid = 4711;
	cr_assert_eq(chown(map, 0, 0), 0);
	cr_assert_eq(named(), 1, "root's");
}

Test(jit_names, a_user_can_have_written_his_own)
{
	if (getuid())
		cr_skip_test("only root can give files away");
	p->process.uid = 4711;
	cr_assert_eq(chown(map, 4711, 4711), 0);
	cr_assert_eq(named(), 1);
}

Test(jit_names, links_are_not_followed)
{
	char target[PATH_MAX];

	tool_scratch(target, "elsewhere");
	cr_assert_eq(rename(map, target), 0);
	cr_assert_eq(symlink(target, map), 0);
	cr_assert_eq(named(), 0);
}

Test(jit_names, what_is_no_regular_file_does_not_hold_us_up)
{
	unlink(map);
	cr_assert_eq(named(), 0, "no file");
	cr_assert_eq(mkfifo(map, 0600), 0);
	cr_assert_eq(named(), 0, "a FIFO");
	unlink(map);
	cr_assert_eq(mkdir(map, 0700), 0);
	cr_assert_eq(named(), 0, "a directory");
	rmdir(map);
}

Test(jit_names, a_map_beyond_all_measure_is_not_read)
{
	cr_assert_eq(truncate(map, 1ll << 40), 0);
	changed_at(BEGAN + 5, 0);
	cr_assert_eq(named(), 0);
	cr_assert_eq(truncate(map, 0), 0);
	changed_at(BEGAN + 5, 0);
	cr_assert_eq(named(), 0, "empty");
}

/* The whole way, with this process's own map where it belongs. */
Test(jit_names, symbolizing_a_snapshot_asks_the_map_of_its_process)
{
	uint64_t frames[] = { 0x1009 };
	char empty[] = "";
	struct snapshot_stack stack = { .n_frames = 1, .frames = frames, .values = { .alloc_count = 1u << 20 } };
	struct snapshot s = { .pid = (uint32_t)getpid(),
			      .uid = getuid(),
			      .exe = empty,
			      .cmdline = empty,
			      .allocator = empty,
			      .reason = SNAPSHOT_EXIT,
			      .wall_ns = (BEGAN + 10) * SECOND,
			      .elapsed_ns = 10 * SECOND,
			      .stacks = &stack,
			      .n_stacks = 1 };
	struct symbolize_stats st;

	profile_free(p);
	cr_assert_eq(profile_from_snapshot(&s, CONVERT_NOW, &p, NULL), 0);
	cr_assert(p->process.ended);
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", getpid());
	write_map("1000 10 JS:*f\n");
	changed_at(BEGAN + 5, 0);
	cr_assert_eq(profile_symbolize(p, NULL, &st), 0);
	cr_assert_eq(st.named, 1);
	cr_assert_str_eq(name_of(p->samples[0].locations[0])->name, "JS:*f");
}
