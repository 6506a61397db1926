/* tests/unit/test_state_format2.c - what an old collector left is read to the last byte, whatever has changed
 * since.
 *
 * tests/data/state2 is what the last version that wrote format 2 left behind when it was killed, and the snapshots
 * that its own successor then took: whatever comes later must come to the same. */
#include <zlib.h>

#include "tests/unit/recover_fixture.h"

#define SESSIONS_OF_2 3u /* of pids 14592, 14596, 14735: their snapshots are beside it */

static const char *data_path(const char *name)
{
	static char path[4096];
	const char *source = getenv("HEAPTAP_SOURCE");

	snprintf(path, sizeof(path), "%s/tests/data/state2/%s", source ? source : ".", name);
	return path;
}

/* A file's size, and then pages that are not empty: where, and what. */
static int load(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	gzFile f = gzopen(data_path(name), "r");
	char page[PAGE];
	uint64_t at;

	cr_assert_not_null(f, "%s", data_path(name));
	cr_assert_eq(gzread(f, &at, sizeof(at)), (int)sizeof(at));
	cr_assert_eq(ftruncate(fd, (off_t)at), 0);
	while (gzread(f, &at, sizeof(at)) == (int)sizeof(at)) {
		cr_assert_eq(gzread(f, page, PAGE), PAGE);
		cr_assert_eq(pwrite(fd, page, PAGE, (off_t)at), PAGE);
	}
	gzclose(f);
	return fd;
}

/* This machine's clock and this region's inode. */
static void make_ours(int state, int region)
{
	struct timespec now;
	uint64_t words[2];
	struct stat st;
	struct head h;

	clock_gettime(CLOCK_MONOTONIC, &now);
	cr_assert_eq(fstat(region, &st), 0);
	words[0] = (uint64_t)now.tv_sec * 1000000000 - 100000000000;
	words[1] = st.st_ino;
	cr_assert_eq(pread(state, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	cr_assert_eq(h.major, 2);
	cr_assert_eq(pwrite(state, words, sizeof(words), (off_t)area_at(&h) + 8), (ssize_t)sizeof(words));
	make_sum_right(state, &h);
}

static void keep_format_2(void)
{
	int region, state;

	memset(&shelf, 0, sizeof(shelf));
	region = load("region.gz");
	state = load("state.gz");
	make_ours(state, region);
	cr_assert_eq(fcntl(region, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	shelf.kept[0] = (struct kept){ "session.1", region };
	shelf.kept[1] = (struct kept){ "session.1", state };
	shelf.n = 2;
}

static void same_histogram(const struct histogram *a, const struct histogram *b, unsigned columns)
{
	cr_assert_eq(a->classes, b->classes);
	if (a->classes)
		cr_assert_arr_eq(a->cells, b->cells, histogram_used(a) * columns * sizeof(*a->cells));
}

static void same_stack(const struct snapshot_stack *a, const struct snapshot_stack *b)
{
	cr_assert_eq(a->n_frames, b->n_frames);
	cr_assert_eq(a->flags, b->flags);
	cr_assert_eq(a->epoch, b->epoch);
	cr_assert_arr_eq(a->frames, b->frames, a->n_frames * sizeof(*a->frames));
	cr_assert_arr_eq(&a->values, &b->values, sizeof(a->values));
	cr_assert_eq(a->detail.temporary_bytes, b->detail.temporary_bytes);
	cr_assert_eq(a->detail.undated, b->detail.undated);
	same_histogram(&a->detail.lifetimes, &b->detail.lifetimes, LIFETIME_COLUMNS);
	same_histogram(&a->detail.sizes, &b->detail.sizes, SIZE_COLUMNS);
}

/* All but the moment at which it was taken. */
static void same_snapshot(const struct snapshot *a, const struct snapshot *b)
{
	cr_assert_eq(a->n_stacks, b->n_stacks);
	cr_assert_arr_eq(&a->total, &b->total, sizeof(a->total));
	cr_assert_arr_eq(&a->audit, &b->audit, sizeof(a->audit));
	cr_assert_eq(a->peak_elapsed_ns, b->peak_elapsed_ns);
	cr_assert_eq(a->seq, b->seq);
	cr_assert_eq(a->ppid, b->ppid);
	cr_assert_str_eq(a->exe, b->exe);
	cr_assert_str_eq(a->cmdline, b->cmdline);
	cr_assert_eq(a->series.n_points, b->series.n_points);
	cr_assert_eq(a->series.interval_ns, b->series.interval_ns);
	cr_assert_arr_eq(a->series.points, b->series.points, a->series.n_points * sizeof(*a->series.points));
	cr_assert_eq(a->n_threads, b->n_threads);
	for (size_t i = 0; i < a->n_threads; i++)
		cr_assert_str_eq(a->threads[i].name, b->threads[i].name);
	for (size_t i = 0; i < a->n_stacks; i++)
		same_stack(&a->stacks[i], &b->stacks[i]);
}

static void check_format_2(const struct bench *b)
{
	struct fault f;
	unsigned found = 0;
	DIR *d = opendir(b->dir);
	struct dirent *e;

	while ((e = readdir(d))) {
		struct snapshot *got, *want;
		char path[300], name[32];

		if (e->d_name[0] != 's' || !e->d_name[1])
			continue;
		snprintf(path, sizeof(path), "%s/0001-exit.heaptap", e->d_name);
		got = bench_snapshot(b, path);
		snprintf(name, sizeof(name), "%u.heaptap", got->pid);
		cr_assert_eq(snapshot_read_file(data_path(name), &want, &f), 0, "%s", f.text);
		same_snapshot(got, want);
		snapshot_free(got);
		snapshot_free(want);
		found++;
	}
	closedir(d);
	cr_assert_eq(found, SESSIONS_OF_2);
}

static void begin_with_format_2(struct bench *b)
{
	struct collector_config config = kept_config;

	keep_format_2();
	config.kept = shelf.kept;
	config.n_kept = shelf.n;
	bench_start(b, "epoll", config);
}

static void end_with_format_2(struct bench *b)
{
	TURN_UNTIL(b->loop, b->ended == SESSIONS_OF_2);
	check_format_2(b);
	bench_stop(b);
}

static void keep_copies(int copies[2])
{
	for (int i = 0; i < 2; i++)
		copies[i] = dup(shelf.kept[i].fd);
}

static void put_back(const int copies[2])
{
	for (int i = 0; i < 2; i++)
		shelf.kept[i].fd = copies[i];
}

Test(state_format2, format_2_is_read_exactly, .timeout = 60)
{
	struct bench b;

	begin_with_format_2(&b);
	cr_expect_str_eq(shelf.word, "went on with 1 session of the collector before");
	end_with_format_2(&b);
}

/* Its checkpoint, and behind it a log that goes on in ours. */
Test(state_format2, format_2_is_read_again_by_the_next_one, .timeout = 60)
{
	int copies[2];
	struct bench b;
	struct head h;

	keep_format_2();
	keep_copies(copies);
	bench_start(&b, "epoll", kept_config);
	next_collector(&b);
	put_back(copies);
	cr_assert_eq(pread(copies[1], &h, sizeof(h), 0), (ssize_t)sizeof(h));
	cr_expect_eq(h.major, STATE_MAJOR, "nobody who knows only format 2 reads it now");
	next_collector(&b);
	end_with_format_2(&b);
}

Test(state_format2, format_2_goes_on_in_ours, .timeout = 60)
{
	int copies[2];
	struct bench b;

	keep_format_2();
	keep_copies(copies);
	bench_start(&b, "epoll", kept_config);
	next_collector(&b);
	cr_assert_eq(session_checkpoint(LIST_FIRST(&b.c->sessions)), 0);
	put_back(copies);
	next_collector(&b);
	end_with_format_2(&b);
}
