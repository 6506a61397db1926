/* tests/unit/test_source.c - what SOURCE means: a file, the newest of a directory, the only run below one. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "collectord/cli/source.h"
#include "tests/unit/snapshot_fixture.h"
#include "tests/unit/tool.h"

static char root[PATH_MAX];

static void make_root(void)
{
	tool_scratch(root, "source.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
}

static void remove_root(void)
{
	int status;

	free(tool_output(&status, "rm -rf '%s'", root));
}

TestSuite(source_resolve, .init = make_root, .fini = remove_root);
TestSuite(source_load, .init = make_root, .fini = remove_root);

/* A file of that name, modified at that second. */
static void touch(const char *path, time_t when)
{
	const struct timespec times[2] = { { when, 0 }, { when, 0 } };

	tool_write(path, "", 0);
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void expect(const char *source, const char *expected)
{
	struct fault f = { "" };
	char *path = NULL;

	cr_assert_eq(source_resolve(source, &path, &f), 0, "%s: %s", source, f.text);
	cr_assert_str_eq(path, expected);
	free(path);
}

static void expect_fault(const char *source, int error, const char *says)
{
	struct fault f = { "" };
	char *path = NULL;

	cr_assert_eq(source_resolve(source, &path, &f), error, "%s", source);
	cr_assert(strstr(f.text, says), "'%s' does not say '%s'", f.text, says);
	cr_assert_null(path);
}

Test(source_resolve, takes_a_file_as_it_is)
{
	touch("any.name", 1);
	expect("any.name", "any.name");
}

Test(source_resolve, finds_the_highest_number_whatever_the_times)
{
	mkdir("d", 0700);
	touch("d/0009-timer.heaptap", 300);
	touch("d/0010-timer.heaptap", 200);
	touch("d/10000-exit.heaptap", 100);
	touch("d/0011-exit.heaptap.Xy12", 400);
	touch("d/.0012-exit.heaptap", 500);
	touch("d/notes.txt", 600);
	expect("d", "d/10000-exit.heaptap");
}

Test(source_resolve, takes_the_later_of_equal_numbers)
{
	mkdir("d", 0700);
	touch("d/a.heaptap", 200);
	touch("d/b.heaptap", 100);
	touch("d/c.heaptap", 200);
	expect("d", "d/c.heaptap");
}

Test(source_resolve, goes_down_to_the_only_run)
{
	mkdir("d", 0700);
	mkdir("d/empty", 0700);
	mkdir("d/heaptap.sh.1", 0700);
	mkdir("d/heaptap.sh.1/python3.2", 0700);
	touch("d/heaptap.sh.1/python3.2/0001-exit.heaptap", 1);
	expect("d", "d/heaptap.sh.1/python3.2/0001-exit.heaptap");
}

Test(source_resolve, counts_a_link_beside_its_run_once)
{
	mkdir("d", 0700);
	mkdir("d/heaptap.a.1", 0700);
	cr_assert_eq(symlink("heaptap.a.1", "d/latest"), 0);
	touch("d/heaptap.a.1/0001-exit.heaptap", 1);
	expect("d", "d/heaptap.a.1/0001-exit.heaptap");
}

Test(source_resolve, ignores_hidden_and_unfinished_files)
{
	mkdir("d", 0700);
	touch("d/.hidden.heaptap", 1);
	touch("d/0001-exit.heaptap.Xy12", 1);
	touch("d/.heaptap", 1);
	expect_fault("d", -ENOENT, "no snapshot");
}

Test(source_resolve, prefers_a_directory_s_own_snapshots)
{
	mkdir("d", 0700);
	mkdir("d/child.2", 0700);
	touch("d/child.2/0009-exit.heaptap", 1);
	touch("d/0001-exit.heaptap", 1);
	expect("d", "d/0001-exit.heaptap");
}

Test(source_resolve, lists_the_choices_when_there_are_several)
{
	mkdir("d", 0700);
	mkdir("d/heaptap.a.1", 0700);
	mkdir("d/heaptap.b.2", 0700);
	touch("d/heaptap.a.1/0001-exit.heaptap", 1);
	touch("d/heaptap.b.2/0001-exit.heaptap", 1);
	expect_fault("d", -EINVAL, "heaptap.a.1, heaptap.b.2");
}

Test(source_resolve, does_not_follow_links_in_circles)
{
	mkdir("d", 0700);
	cr_assert_eq(symlink(".", "d/self"), 0);
	expect_fault("d", -ENOENT, "no snapshot");
}

Test(source_resolve, says_what_is_missing)
{
	mkdir("d", 0700);
	expect_fault("d", -ENOENT, "no snapshot");
	expect_fault("nowhere", -ENOENT, "nowhere");
}

static void write_snapshot(const char *path)
{
	struct snapshot *s = fixture_snapshot();
	void *buf;
	size_t len;

	fixture_add_here(s, 10, 4000);
	cr_assert_eq(snapshot_encode(s, &buf, &len), 0);
	tool_write(path, buf, len);
	free(buf);
	snapshot_free(s);
}

Test(source_load, gives_a_profile_with_names)
{
	struct source_peak peak;
	struct profile *p = NULL;
	struct fault f = { "" };
	bool found = false;

	write_snapshot("x.heaptap");
	cr_assert_eq(source_load("x.heaptap", false, &p, &peak, &f), 0, "%s", f.text);
	cr_assert_eq(p->n_samples, 1);
	cr_assert_eq(p->samples[0].values[PROFILE_INUSE_SPACE], 2000);
	for (size_t i = 0; i < p->n_functions; i++)
		found |= strstr(p->functions[i].name, "write_snapshot") != NULL;
	cr_assert(found, "the caller's name was not found");
	profile_free(p);
}

Test(source_load, gives_the_peak_when_asked)
{
	struct source_peak peak;
	struct profile *p = NULL;
	struct fault f = { "" };

	write_snapshot("x.heaptap");
	cr_assert_eq(source_load("x.heaptap", true, &p, &peak, &f), 0, "%s", f.text);
	cr_assert_eq(p->samples[0].values[PROFILE_INUSE_SPACE], 4000);
	profile_free(p);
}

Test(source_load, names_the_file_it_cannot_read)
{
	struct source_peak peak;
	struct profile *p = NULL;
	struct fault f = { "" };

	touch("empty.heaptap", 1);
	cr_assert_lt(source_load("empty.heaptap", false, &p, &peak, &f), 0);
	cr_assert(strstr(f.text, "empty.heaptap"), "%s", f.text);
	cr_assert_null(p);
}
