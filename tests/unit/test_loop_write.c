/* tests/unit/test_loop_write.c - the event loop's whole-file writes: complete or not at all, on both backends. */
#include <sys/resource.h>
#include <sys/stat.h>

#include "collectord/live/loop_impl.h"
#include "tests/unit/live_fixture.h"

struct outcome {
	int calls, result;
};

static void on_outcome(void *arg, int result)
{
	struct outcome *o = arg;

	o->calls++;
	o->result = result;
}

static void *bytes(size_t n)
{
	char *p = malloc(n ? n : 1);

	cr_assert_not_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 31 + i / 4096);
	return p;
}

static void assert_file_is(int dirfd, const char *name, size_t n)
{
	char *want = bytes(n), *got = malloc(n + 1);
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t r;

	cr_assert_geq(fd, 0);
	while ((r = read(fd, got + at, n + 1 - at)) > 0)
		at += (size_t)r;
	cr_assert_eq(at, n);
	cr_assert_arr_eq(got, want, n);
	close(fd);
	free(want);
	free(got);
}

BACKENDS(loop_write, file_is_written_whole_and_alone)
{
	static const size_t sizes[] = { 0, 1, 4096, 3000000 };
	struct loop *l = test_loop(*backend);
	char dir[128], name[16];
	struct stat st;
	int dirfd;

	scratch_dir(dir, sizeof(dir));
	umask(022);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct outcome o = { 0 };

		snprintf(name, sizeof(name), "f%zu", i);
		loop_write_file(l, dirfd, name, 0640, bytes(sizes[i]), sizes[i], on_outcome, &o);
		cr_assert_eq(o.calls, 0, "called before the loop ran");
		TURN_UNTIL(l, o.calls == 1);
		cr_assert_eq(o.result, 0);
		assert_file_is(dirfd, name, sizes[i]);
		cr_assert_eq(fstatat(dirfd, name, &st, 0), 0);
		cr_assert_eq(st.st_mode & 0777, 0640);
	}
	cr_assert_eq(count_files(dir, ".tmp"), 0);
	close(dirfd);
	loop_free(l);
	remove_dir(dir);
}

BACKENDS(loop_write, file_replaces_a_symlink_instead_of_following_it)
{
	struct loop *l = test_loop(*backend);
	struct outcome o = { 0 };
	char dir[128];
	struct stat st;
	int dirfd;

	scratch_dir(dir, sizeof(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(symlinkat("victim", dirfd, "f"), 0);
	loop_write_file(l, dirfd, "f", 0640, bytes(10), 10, on_outcome, &o);
	TURN_UNTIL(l, o.calls == 1);
	cr_assert_eq(o.result, 0);
	cr_assert_eq(fstatat(dirfd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	cr_assert(S_ISREG(st.st_mode));
	cr_assert_neq(faccessat(dirfd, "victim", F_OK, 0), 0);
	close(dirfd);
	loop_free(l);
	remove_dir(dir);
}

/* A size limit gives a short write first and then EFBIG: as a full disk does. */
BACKENDS(loop_write, failed_write_leaves_the_old_file_and_no_temporary_one)
{
	struct loop *l = test_loop(*backend);
	struct outcome o = { 0 };
	struct rlimit limit = { 100000, 100000 };
	char dir[128];
	int dirfd;

	signal(SIGXFSZ, SIG_IGN);
	scratch_dir(dir, sizeof(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loop_write_file(l, dirfd, "f", 0640, bytes(5000), 5000, on_outcome, &o);
	TURN_UNTIL(l, o.calls == 1);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	loop_write_file(l, dirfd, "f", 0640, bytes(300000), 300000, on_outcome, &o);
	TURN_UNTIL(l, o.calls == 2);
	cr_assert_eq(o.result, -EFBIG);
	assert_file_is(dirfd, "f", 5000);
	cr_assert_eq(count_files(dir, ".tmp"), 0);
	close(dirfd);
	loop_free(l);
	remove_dir(dir);
}

BACKENDS(loop_write, write_into_a_removed_directory_says_so)
{
	struct loop *l = test_loop(*backend);
	struct outcome o = { 0 };
	char dir[128];
	int dirfd;

	scratch_dir(dir, sizeof(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(rmdir(dir), 0);
	loop_write_file(l, dirfd, "f", 0640, bytes(10), 10, on_outcome, &o);
	TURN_UNTIL(l, o.calls == 1);
	cr_assert_eq(o.result, -ENOENT);
	close(dirfd);
	loop_free(l);
}

BACKENDS(loop_write, many_writes_at_once_all_succeed)
{
	enum { N = 100 };
	struct loop *l = test_loop(*backend);
	struct outcome o = { 0 };
	char dir[128], name[16];
	int dirfd;

	scratch_dir(dir, sizeof(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		loop_write_file(l, dirfd, name, 0640, bytes(1000), 1000, on_outcome, &o);
	}
	TURN_UNTIL(l, o.calls == N);
	cr_assert_eq(o.result, 0);
	cr_assert_eq(count_files(dir, "f"), N);
	close(dirfd);
	loop_free(l);
	remove_dir(dir);
}

BACKENDS(loop_write, free_finishes_writes_and_delivers_their_results)
{
	struct loop *l = test_loop(*backend);
	struct outcome o = { 0 };
	char dir[128];
	int dirfd;

	scratch_dir(dir, sizeof(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loop_write_file(l, dirfd, "f", 0640, bytes(200000), 200000, on_outcome, &o);
	close(dirfd); /* the loop has its own */
	loop_turn(l, 0);
	loop_free(l);
	cr_assert_eq(o.calls, 1);
	cr_assert_eq(o.result, 0);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_file_is(dirfd, "f", 200000);
	close(dirfd);
	remove_dir(dir);
}

/* What kernels rarely do, fed in by hand. */
Test(loop_write_step, survives_short_writes_interruptions_and_broken_chains)
{
	struct loop_write w = { .len = 100 };

	cr_assert_eq(loop_write_step(&w, 40), 1);
	cr_assert_eq(w.step, WRITE_DATA, "a short write is not done");
	cr_assert_eq(w.written, 40);
	cr_assert_eq(loop_write_step(&w, -EINTR), 1);
	cr_assert_eq(loop_write_step(&w, -ECANCELED), 1);
	cr_assert_eq(loop_write_step(&w, -EAGAIN), 1);
	cr_assert_eq(w.written, 40);
	cr_assert_eq(loop_write_step(&w, 60), 1);
	cr_assert_eq(w.step, WRITE_FSYNC);
	cr_assert_eq(loop_write_step(&w, 0), 1);
	cr_assert_eq(loop_write_step(&w, 0), 1);
	cr_assert_eq(w.step, WRITE_SYNC_DIR);
	cr_assert_eq(loop_write_step(&w, -EINVAL), 0, "a file system that cannot sync directories");
}

Test(loop_write_step, opens_again_what_was_interrupted)
{
	struct loop_write w = { .fd = -1 };
	int r = 1;

	cr_assert_eq(loop_write_opened(&w, -EINTR), 1);
	cr_assert_eq(w.fd, -1);
	cr_assert_eq(loop_write_opened(&w, -EMFILE), -EMFILE);
	cr_assert_eq(loop_write_opened(&w, 7), 1);
	cr_assert_eq(w.fd, 7);
	for (int i = 0; i < 100000 && r > 0; i++)
		r = loop_write_opened(&w, -EAGAIN);
	cr_assert_eq(r, -EIO);
}

Test(loop_write_step, gives_up_when_nothing_moves)
{
	struct loop_write w = { .len = 100 };
	int r = 1;

	cr_assert_eq(loop_write_step(&w, 0), -ENOSPC);
	for (int i = 0; i < 100000 && r > 0; i++)
		r = loop_write_step(&w, -EINTR);
	cr_assert_eq(r, -EIO);
	w = (struct loop_write){ .step = WRITE_FSYNC };
	cr_assert_eq(loop_write_step(&w, -EIO), -EIO);
}
