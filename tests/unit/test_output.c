/* tests/unit/test_output.c - results replace files in one step, or leave them alone. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/cli/output.h"
#include "tests/unit/tool.h"

static char root[PATH_MAX];

static void make_root(void)
{
	tool_scratch(root, "output.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
	umask(022);
}

static void remove_root(void)
{
	int status;

	free(tool_output(&status, "rm -rf '%s'", root));
}

TestSuite(output_write, .init = make_root, .fini = remove_root);

static void expect_content(const char *path, const char *text)
{
	size_t len;
	char *got = tool_read(path, &len);

	cr_assert_str_eq(got, text, "%s: '%s'", path, got);
	free(got);
}

static unsigned files_here(void)
{
	DIR *d = opendir(".");
	unsigned n = 0;
	struct dirent *e;

	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	return st.st_mode & 0777;
}

Test(output_write, makes_a_file_as_the_umask_wants_it)
{
	cr_assert_eq(output_write("new", "abc", 3, NULL), 0);
	expect_content("new", "abc");
	cr_assert_eq(mode_of("new"), 0644);
	cr_assert_eq(files_here(), 1, "a temporary file is left");
}

Test(output_write, replaces_a_file_and_keeps_its_mode)
{
	tool_write("old", "longer than the new", 19);
	chmod("old", 0600);
	cr_assert_eq(output_write("old", "abc", 3, NULL), 0);
	expect_content("old", "abc");
	cr_assert_eq(mode_of("old"), 0600);
}

Test(output_write, follows_a_link_to_a_file)
{
	struct stat st;

	tool_write("old", "old", 3);
	cr_assert_eq(symlink("old", "link"), 0);
	cr_assert_eq(output_write("link", "abc", 3, NULL), 0);
	expect_content("old", "abc");
	cr_assert_eq(lstat("link", &st), 0);
	cr_assert(S_ISLNK(st.st_mode), "the link was replaced");
}

Test(output_write, leaves_the_old_file_when_it_cannot_write_all)
{
	static char big[100000];
	struct fault f = { "" };

	tool_write("old", "old", 3);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, 4096 });
	cr_assert_eq(output_write("old", big, sizeof(big), &f), -EFBIG);
	cr_assert(strstr(f.text, "old"), "%s", f.text);
	expect_content("old", "old");
	cr_assert_eq(files_here(), 1, "a temporary file is left");
}

Test(output_write, writes_into_what_is_not_a_file)
{
	struct stat st;
	int fd;
	char buf[4] = "";

	cr_assert_eq(mkfifo("pipe", 0600), 0);
	fd = open("pipe", O_RDWR);
	cr_assert_eq(output_write("pipe", "abc", 3, NULL), 0);
	cr_assert_eq(read(fd, buf, 3), 3);
	cr_assert_str_eq(buf, "abc");
	cr_assert_eq(stat("pipe", &st), 0);
	cr_assert(S_ISFIFO(st.st_mode), "the pipe was replaced by a file");
	close(fd);
}

Test(output_write, refuses_a_directory_and_a_missing_one)
{
	struct fault f = { "" };

	mkdir("d", 0700);
	cr_assert_eq(output_write("d", "abc", 3, &f), -EISDIR);
	cr_assert_eq(output_write("nowhere/x", "abc", 3, &f), -ENOENT);
	cr_assert(strstr(f.text, "nowhere/x"), "%s", f.text);
}
