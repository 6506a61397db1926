/* tests/unit/test_retain.c - which snapshots stay: per directory, per user and in all; what is held; what is found.
 */
#include <sys/stat.h>

#include "collectord/live/retain.h"
#include "tests/unit/live_fixture.h"

struct shelf {
	struct loop *loop;
	struct retain *r;
	char dir[128];
	int fd;
};

static void shelf_open(struct shelf *s, struct retain_limits limits)
{
	s->loop = test_loop("epoll");
	if (!s->dir[0])
		scratch_dir(s->dir, sizeof(s->dir));
	s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(retain_new(s->loop, s->fd, &limits, &s->r), 0);
	cr_assert_eq(loop_turn(s->loop, 0), 0);
}

static void shelf_leave(struct shelf *s)
{
	retain_free(s->r);
	loop_free(s->loop);
	close(s->fd);
}

static void shelf_close(struct shelf *s)
{
	shelf_leave(s);
	remove_dir(s->dir);
}

static void make(const struct shelf *s, const char *dir, const char *name, unsigned bytes)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->dir, dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", s->dir, dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && ftruncate(fd, bytes) == 0);
	close(fd);
}

/* Written by a program that has ended since. */
static void put(struct shelf *s, const char *dir, const char *name, unsigned bytes)
{
	struct retain_dir *d = retain_open(s->r, dir);

	make(s, dir, name, bytes);
	retain_release(retain_add(d, name, bytes));
	retain_close(d);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(loop_turn(s->loop, 0), 0);
}

static bool is_there(const struct shelf *s, const char *path)
{
	char all[300];

	snprintf(all, sizeof(all), "%s/%s", s->dir, path);
	return access(all, F_OK) == 0;
}

Test(retain, oldest_go_and_their_empty_directories)
{
	struct shelf s = { 0 };
	struct retain_counts n;

	shelf_open(&s, (struct retain_limits){ .files = 2 });
	put(&s, "u1-s1.10", "0001-exit.heaptap", 10);
	put(&s, "u1-s2.11", "0001-exit.heaptap", 10);
	cr_assert(is_there(&s, "u1-s1.10/0001-exit.heaptap"));
	put(&s, "u1-s3.12", "0001-exit.heaptap", 10);
	cr_assert(!is_there(&s, "u1-s1.10"));
	cr_assert(is_there(&s, "u1-s2.11/0001-exit.heaptap"));
	retain_count(s.r, &n);
	cr_assert_eq(n.files, 2);
	cr_assert_eq(n.bytes, 20);
	cr_assert_eq(n.removed, 1);
	shelf_close(&s);
}

Test(retain, one_users_flood_costs_nobody_else_a_file)
{
	struct shelf s = { 0 };
	char dir[32];

	shelf_open(&s, (struct retain_limits){ .bytes = 1000 });
	put(&s, "u1-s1.10", "0001-exit.heaptap", 100); /* the oldest of all */
	for (unsigned i = 2; i < 100; i++) {
		retain_dir_name(dir, sizeof(dir), 2, i, 100 + i);
		put(&s, dir, "0001-exit.heaptap", 90);
	}
	cr_assert(is_there(&s, "u1-s1.10/0001-exit.heaptap"));
	cr_assert(is_there(&s, "u2-s99.199/0001-exit.heaptap"));
	cr_assert(!is_there(&s, "u2-s2.102"));
	shelf_close(&s);
}

Test(retain, limits_of_a_user_are_that_users)
{
	struct shelf s = { 0 };

	shelf_open(&s, (struct retain_limits){ .files_per_user = 2, .bytes_per_user = 100 });
	put(&s, "u1-s1.10", "0001-exit.heaptap", 1);
	put(&s, "u2-s2.10", "0001-exit.heaptap", 1);
	put(&s, "u2-s3.10", "0001-exit.heaptap", 1);
	put(&s, "u2-s4.10", "0001-exit.heaptap", 1);
	cr_assert(is_there(&s, "u1-s1.10"));
	cr_assert(!is_there(&s, "u2-s2.10"));
	put(&s, "u1-s5.10", "0001-exit.heaptap", 100);
	cr_assert(!is_there(&s, "u1-s1.10"));
	cr_assert(is_there(&s, "u1-s5.10") && is_there(&s, "u2-s3.10") && is_there(&s, "u2-s4.10"));
	shelf_close(&s);
}

Test(retain, newest_of_the_living_is_held_whatever_the_limits)
{
	struct shelf s = { 0 };
	struct retain_dir *d;
	struct retain_file *held;

	shelf_open(&s, (struct retain_limits){ .bytes = 1, .files_per_user = 1 });
	d = retain_open(s.r, "u1-s1.10");
	make(&s, "u1-s1.10", "0001-timer.heaptap", 50);
	held = retain_add(d, "0001-timer.heaptap", 50);
	put(&s, "u1-s2.11", "0001-exit.heaptap", 50);
	cr_assert(is_there(&s, "u1-s1.10/0001-timer.heaptap"));
	cr_assert(!is_there(&s, "u1-s2.11"));
	retain_release(held);
	cr_assert_eq(loop_turn(s.loop, 0), 0);
	cr_assert(!is_there(&s, "u1-s1.10/0001-timer.heaptap"));
	cr_assert(is_there(&s, "u1-s1.10"), "somebody writes there");
	retain_close(d);
	cr_assert(!is_there(&s, "u1-s1.10"));
	shelf_close(&s);
}

Test(retain, only_periodic_ones_are_counted_against_keep)
{
	struct shelf s = { 0 };

	shelf_open(&s, (struct retain_limits){ .keep = 1 });
	put(&s, "u1-s1.10", "0001-timer.heaptap", 1);
	put(&s, "u1-s1.10", "0002-signal.heaptap", 1);
	cr_assert(is_there(&s, "u1-s1.10/0001-timer.heaptap"));
	put(&s, "u1-s1.10", "0003-timer.heaptap", 1);
	cr_assert(!is_there(&s, "u1-s1.10/0001-timer.heaptap"));
	cr_assert(is_there(&s, "u1-s1.10/0002-signal.heaptap") && is_there(&s, "u1-s1.10/0003-timer.heaptap"));
	shelf_close(&s);
}

/* What an earlier collector left: by age, symbolic links and what is none of ours left alone. */
Test(retain, what_is_on_disk_counts)
{
	struct shelf s = { 0 };
	struct retain_counts n;
	char path[300];

	shelf_open(&s, (struct retain_limits){ 0 });
	make(&s, "u1-s9.10", "0001-exit.heaptap", 10);
	make(&s, "u1-s9.10", ".0002-exit.heaptap.0123456789abcdef.tmp", 10);
	make(&s, "u1-s9.10", "notes.txt", 10);
	make(&s, "elsewhere", "0001-exit.heaptap", 10);
	make(&s, ".", "token", 10);
	snprintf(path, sizeof(path), "%s/u1-s8.10", s.dir);
	cr_assert_eq(symlink("elsewhere", path), 0);
	snprintf(path, sizeof(path), "%s/u1-s9.10/0003-exit.heaptap", s.dir);
	cr_assert_eq(symlink("../token", path), 0);
	shelf_leave(&s);
	shelf_open(&s, (struct retain_limits){ .files = 5 });
	retain_count(s.r, &n);
	cr_assert_eq(n.files, 2);
	cr_assert_eq(n.bytes, 20);
	cr_assert(!is_there(&s, "u1-s9.10/.0002-exit.heaptap.0123456789abcdef.tmp"));
	retain_set_limits(s.r, &(struct retain_limits){ .bytes = 1 });
	cr_assert_eq(loop_turn(s.loop, 0), 0);
	cr_assert(!is_there(&s, "elsewhere"));
	cr_assert(!is_there(&s, "u1-s9.10/0001-exit.heaptap"));
	cr_assert(is_there(&s, "u1-s9.10/notes.txt") && is_there(&s, "token"));
	retain_count(s.r, &n);
	cr_assert_eq(n.files, 0);
	shelf_close(&s);
}

/* A limit that becomes small does not keep the loop from others. */
Test(retain, many_go_a_batch_at_a_time)
{
	struct shelf s = { 0 };
	struct retain_counts n;
	char name[32];

	shelf_open(&s, (struct retain_limits){ 0 });
	for (unsigned i = 1; i <= 200; i++) {
		snprintf(name, sizeof(name), "%04u-exit.heaptap", i);
		put(&s, "u1-s1.10", name, 1);
	}
	retain_set_limits(s.r, &(struct retain_limits){ .files = 1 });
	cr_assert_eq(loop_turn(s.loop, 0), 0);
	retain_count(s.r, &n);
	cr_assert(n.files > 1 && n.files < 200, "%llu", (unsigned long long)n.files);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(loop_turn(s.loop, 0), 0);
	cr_assert(is_there(&s, "u1-s1.10/0200-exit.heaptap"));
	cr_assert_eq(count_files(s.dir, "u1-s1.10"), 1);
	retain_count(s.r, &n);
	cr_assert_eq(n.files, 1);
	shelf_close(&s);
}
