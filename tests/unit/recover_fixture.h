/* tests/unit/recover_fixture.h - a keeper that is an array, collectors one after the other, and states to damage.
 *
 * A collector that is freed without a shutdown is as good as killed: nothing is written, nothing is said.  Each
 * test program includes it once. */
#pragma once

#include "collectord/live/collector_impl.h"
#include "collectord/live/pack.h"
#include "collectord/live/state.h"
#include "tests/unit/session_fixture.h"

enum { MAX_KEPT = 8, PAGE = 4096 };

static struct {
	struct kept kept[MAX_KEPT];
	size_t n;
	unsigned forgotten;
	char word[256];
} shelf;

static inline int store(void *arg, const char *name, const int *fds, unsigned n)
{
	(void)arg;
	for (unsigned i = 0; i < n; i++) {
		cr_assert_lt(shelf.n, MAX_KEPT);
		shelf.kept[shelf.n++] = (struct kept){ strdup(name), dup(fds[i]) };
	}
	return 0;
}

static inline void forget(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	shelf.forgotten++;
}

static inline int barrier(void *arg, int *ret_fd)
{
	int ends[2];

	(void)arg;
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[1]);
	*ret_fd = ends[0];
	return 0;
}

static const struct keeper keeper = { store, forget, barrier, NULL };

static inline void on_word(const char *text, bool is_loss, void *arg)
{
	(void)is_loss;
	(void)arg;
	snprintf(shelf.word, sizeof(shelf.word), "%s", text);
}

static struct collector_config kept_config = { .rate = 1, .keeper = &keeper, .on_word = on_word };

/* The bench's collector is gone at once, and here is the next one. */
static inline void next_collector(struct bench *b)
{
	struct collector_config config = kept_config;
	struct fault f;

	collector_free(b->c);
	config.socket_path = b->sock;
	config.listen_fd = -1;
	config.out_dir = b->dir;
	config.on_change = bench_on_change;
	config.arg = b;
	config.kept = shelf.kept;
	config.n_kept = shelf.n;
	cr_assert_eq(collector_new(b->loop, &config, &b->c, &f), 0, "%s", f.text);
}

static inline void start(struct bench *b, struct fake *p)
{
	memset(&shelf, 0, sizeof(shelf));
	bench_start(b, "epoll", kept_config);
	*p = fake_start(b->sock, alloc_three_free_one);
	TURN_UNTIL(b->loop, fake_ready(p));
	cr_assert_eq(shelf.n, 2, "a region and a state");
}

static inline void end(struct bench *b, struct fake *p)
{
	struct snapshot *s;

	fake_kill(p);
	TURN_UNTIL(b->loop, b->ended == 1);
	s = bench_snapshot(b, b->last);
	assert_three_and_one(s);
	cr_assert_eq(s->pid, (uint32_t)p->pid);
	snapshot_free(s);
	cr_assert_eq(shelf.forgotten, 1);
	bench_stop(b);
}

/* As in state.c. */
struct head {
	uint64_t magic;
	uint32_t major, event_size, attempts, at_work;
	uint64_t generation, committed;
	struct {
		uint64_t size, sum;
	} areas[2];
	uint32_t formats[2];
};

static inline uint64_t area_at(const struct head *h)
{
	return PAGE + STATE_LOG_SIZE + (h->generation & 1) * (16ull << 30);
}

static inline int copy_of(int fd, struct head *ret)
{
	int to = memfd_create("copy", MFD_CLOEXEC);
	struct stat st;
	char page[PAGE];
	off_t hole;

	cr_assert_eq(fstat(fd, &st) | ftruncate(to, st.st_size), 0);
	for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0; at = lseek(fd, hole, SEEK_DATA)) {
		hole = lseek(fd, at, SEEK_HOLE);
		for (; at < hole; at += PAGE)
			cr_assert_eq(pread(fd, page, PAGE, at) + pwrite(to, page, PAGE, at), 2 * PAGE);
	}
	cr_assert_eq(pread(to, ret, sizeof(*ret), 0), (ssize_t)sizeof(*ret));
	return to;
}

static inline void change(int fd, uint64_t at, uint64_t size, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		off_t where = (off_t)(at + (uint64_t)rand() % size);
		uint8_t byte = (uint8_t)(rand() % 4 ? rand() : rand() % 2 ? 0xff : 0);

		cr_assert_eq(pwrite(fd, &byte, 1, where), 1);
	}
}

static inline void make_sum_right(int fd, struct head *h)
{
	uint64_t size = h->areas[h->generation & 1].size;
	void *bytes = malloc(size);

	cr_assert_eq(pread(fd, bytes, size, (off_t)area_at(h)), (ssize_t)size);
	h->areas[h->generation & 1].sum = pack_sum(0, bytes, size);
	cr_assert_eq(pwrite(fd, h, sizeof(*h), 0), (ssize_t)sizeof(*h));
	free(bytes);
}
