/* tests/unit/test_module_file.c - files that programs name are looked at before they are opened. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/profile/module_file.h"
#include "tests/unit/live_fixture.h"

/* Tries to open `path` as a module; how many times something was opened there. */
static unsigned opened(const char *path, const char **ret_why)
{
	const struct profile_mapping m = { .file = path, .build_id = "00" };
	int notes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), fd;
	char event[4096];
	unsigned n = 0;

	cr_assert_geq(inotify_add_watch(notes, path, IN_OPEN), 0);
	fd = module_open(&m, INT64_MAX, ret_why);
	if (fd >= 0)
		close(fd);
	while (read(notes, event, sizeof(event)) > 0)
		n++;
	close(notes);
	return fd >= 0 ? n : n + 100;
}

Test(module_file, a_fifo_is_never_opened)
{
	const char *why = "";
	char dir[128], path[192];

	scratch_dir(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(opened(path, &why), 100, "refused, and not opened");
	cr_assert_str_eq(why, "not a file");
	remove_dir(dir);
}

Test(module_file, a_file_is_opened)
{
	const char *why = "";
	char dir[128], path[192];
	int fd;

	scratch_dir(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_eq(write(fd, "x", 1), 1, "an empty file is no module");
	close(fd);
	cr_assert_eq(opened(path, &why), 1, "%s", why);
	remove_dir(dir);
}
