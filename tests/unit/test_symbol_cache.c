/* tests/unit/test_symbol_cache.c - answers that were kept are those that were given, or they are not believed. */
#include <sys/stat.h>

#include "collectord/profile/symbol_cache_folder.h"
#include "tests/unit/symbol_fixture.h"

static char folder[PATH_MAX], program[PATH_MAX];

/* A program with DWARF and an empty folder. */
static void setup(void)
{
	char name[64];

	snprintf(name, sizeof(name), "cached-%d", (int)getpid());
	compile(program, name, "g++", "-O2 -g -Wl,--build-id");
	snprintf(name, sizeof(name), "cache-%d", (int)getpid());
	tool_scratch(folder, name);
}

TestSuite(symbol_cache, .init = setup);

/* All frames of the program, read with the cache; `of` is where its addresses are taken from. */
static char *read_frames(const char *of, struct symbolize_stats *ret)
{
	const struct symbolize_options o = { .cache = folder };
	struct profile *p = file_profile(of);
	char *text;

	p->mappings[0].file = profile_string(p, program);
	add_text(p, of, 7);
	cr_assert_eq(profile_symbolize(p, &o, ret), 0);
	text = all_frames(p);
	profile_free(p);
	return text;
}

static char *the_file(void)
{
	int status;
	char *path = tool_output(&status, "ls '%s'/*.symbols", folder);

	cr_assert_eq(status, 0);
	path[strcspn(path, "\n")] = '\0';
	return path;
}

/* The program out of the way: what is named now comes from the cache.  Its addresses are read from the copy. */
static void hide_program(char copy[PATH_MAX])
{
	snprintf(copy, PATH_MAX, "%.*s.hidden", PATH_MAX - 8, program);
	cr_assert_eq(rename(program, copy), 0);
}

Test(symbol_cache, answers_are_the_same_without_the_file)
{
	struct symbolize_stats cold, warm;
	char hidden[PATH_MAX], *want = read_frames(program, &cold), *got;

	cr_assert_not_null(strstr(want, "net::Socket::write"));
	hide_program(hidden);
	got = read_frames(hidden, &warm);
	cr_assert_str_eq(got, want);
	cr_assert_eq(warm.named, cold.named);
	cr_assert_eq(warm.with_lines, cold.with_lines);
	cr_assert_eq(warm.modules_missing, 0);
	free(got);
	free(want);
}

Test(symbol_cache, what_is_asked_for_later_is_added)
{
	const struct symbolize_options o = { .cache = folder };
	struct profile *p = file_profile(program);
	char hidden[PATH_MAX], *want, *got;

	add_text(p, program, 70);
	cr_assert_eq(profile_symbolize(p, &o, NULL), 0);
	profile_free(p);
	want = read_frames(program, NULL);
	hide_program(hidden);
	got = read_frames(hidden, NULL);
	cr_assert_str_eq(got, want);
	free(got);
	free(want);
}

/* No file, so all that is named would come from what must not be believed. */
static void expect_disbelief(const char *what)
{
	char hidden[PATH_MAX], *got;
	struct symbolize_stats st;

	hide_program(hidden);
	got = read_frames(hidden, &st);
	cr_assert_eq(st.named, 0, "%s: %zu names", what, st.named);
	cr_assert_eq(st.modules_missing, 1, "%s", what);
	free(got);
	cr_assert_eq(rename(hidden, program), 0);
}

Test(symbol_cache, damaged_files_are_not_believed)
{
	char *path;
	uint8_t *bytes;
	unsigned state = 3;
	size_t n;

	free(read_frames(program, NULL));
	path = the_file();
	bytes = tool_read(path, &n);
	for (int round = 0; round < 100; round++) {
		uint8_t *copy = malloc(n);
		size_t at;

		memcpy(copy, bytes, n);
		state = state * 1103515245 + 12345;
		at = round < 40 ? (size_t)round : (state >> 4) % n; /* each byte of the header */
		copy[at] ^= (uint8_t)(1 << round % 8);
		tool_write(path, copy, round % 4 == 3 ? at : n);
		expect_disbelief("damaged");
		free(copy);
	}
	tool_write(path, bytes, 0);
	expect_disbelief("empty");
	free(bytes);
	free(path);
}

Test(symbol_cache, a_damaged_file_is_replaced)
{
	char *path, *want, *got, hidden[PATH_MAX];

	want = read_frames(program, NULL);
	path = the_file();
	tool_write(path, "x", 1);
	free(read_frames(program, NULL));
	hide_program(hidden);
	got = read_frames(hidden, NULL);
	cr_assert_str_eq(got, want);
	free(got);
	free(want);
	free(path);
}

/* A file says of which module it is; under the name of another one's it is not believed. */
Test(symbol_cache, answers_of_another_path_are_not_believed)
{
	char command[4 * PATH_MAX], copy[PATH_MAX];

	free(read_frames(program, NULL));
	snprintf(copy, sizeof(copy), "%.*s.copy", PATH_MAX - 8, program);
	snprintf(command, sizeof(command), "cp '%s' '%s'", program, copy);
	cr_assert_eq(system(command), 0);
	strcpy(program, copy);
	free(read_frames(program, NULL));
	snprintf(
		command, sizeof(command),
		"cd '%s' && set -- *.symbols && [ $# = 2 ] && cat \"$1\" >t && cat \"$2\" >\"$1\" && cat t >\"$2\"",
		folder);
	cr_assert_eq(system(command), 0);
	expect_disbelief("of another path");
}

Test(symbol_cache, files_that_others_can_change_are_not_believed)
{
	char *path, aside[PATH_MAX];

	free(read_frames(program, NULL));
	path = the_file();
	snprintf(aside, sizeof(aside), "%s.aside", path);
	cr_assert_eq(chmod(path, 0620), 0);
	expect_disbelief("writable by a group");
	cr_assert_eq(chmod(path, 0600), 0);
	cr_assert_eq(link(path, aside), 0);
	expect_disbelief("with another name");
	cr_assert_eq(rename(aside, path), 0); /* does nothing: they are the same file */
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink(aside, path), 0);
	expect_disbelief("a link");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	expect_disbelief("a FIFO");
	if (!geteuid()) {
		cr_assert_eq(rename(aside, path), 0);
		cr_assert_eq(chown(path, 1234, 1234), 0);
		expect_disbelief("somebody else's");
	}
	free(path);
}

Test(symbol_cache, a_folder_that_others_can_change_is_not_used)
{
	char target[PATH_MAX + 8];
	int status;

	free(read_frames(program, NULL));
	cr_assert_eq(chmod(folder, 0770), 0);
	expect_disbelief("a folder of a group");
	cr_assert_eq(chmod(folder, 0700), 0);
	snprintf(target, sizeof(target), "%s.real", folder);
	cr_assert_eq(rename(folder, target), 0);
	cr_assert_eq(symlink(target, folder), 0);
	expect_disbelief("a link to a folder");
	free(tool_output(&status, "rm '%s'", folder));
}

Test(symbol_cache, modules_without_dwarf_are_not_kept)
{
	char command[2 * PATH_MAX], *out;
	int status;

	snprintf(command, sizeof(command), "strip '%s'", program);
	cr_assert_eq(system(command), 0);
	free(read_frames(program, NULL));
	out = tool_output(&status, "ls -A '%s'", folder);
	cr_assert_str_eq(out, "");
	free(out);
}

/* Oldest first, and nothing but its own. */
Test(symbol_cache, the_folder_stays_within_its_limit)
{
	static const char *const names[] = { "a.symbols", "b.symbols", "c.symbols", "kept" };
	char path[PATH_MAX + 16], bytes[100] = "x", *out;
	struct timespec used[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	int fd, status;

	cr_assert_eq(mkdir(folder, 0700), 0);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		tool_write(path, bytes, sizeof(bytes));
		used[1].tv_sec = names[i][0] == 'b' ? 10 : 1000;
		cr_assert_eq(utimensat(fd, names[i], used, 0), 0);
	}
	symbol_cache_trim(fd, ".symbols", 250);
	out = tool_output(&status, "ls '%s'", folder);
	cr_assert_str_eq(out, "a.symbols\nc.symbols\nkept\n");
	free(out);
	close(fd);
}
