/* collectord/live/state.c - see state.h. */
#include "collectord/live/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/memfd.h"
#include "collectord/live/pack.h"
#include "common/testpoint.h"

#define HEAD_SIZE 4096u
#define AREA_SIZE (16ull << 30) /* sparse; the books of a session are bounded far below */
#define FILE_SIZE (HEAD_SIZE + STATE_LOG_SIZE + 2 * AREA_SIZE)
#define MIN_LIMIT (256u << 10) /* of the log, before the next checkpoint: books of few stacks */
#define MAX_LIMIT (STATE_LOG_SIZE / 2)
#define LOG_PER_CHECKPOINT \
	4u               /* a checkpoint costs as much as its bytes, so an event costs a quarter of its own more */
#define MAX_ATTEMPTS 16u /* a kill may have other reasons */
#define LENGTH_BITS 40
#define LENGTH_MASK ((1ull << LENGTH_BITS) - 1)

struct area {
	uint64_t size, sum;
};

struct state_header {
	uint64_t magic;
	uint32_t version, event_size;
	_Atomic uint32_t attempts;   /* that ended in the middle of this session's work, one after the other */
	_Atomic uint32_t at_work;    /* in the middle of it */
	_Atomic uint64_t generation; /* 0: there is no checkpoint yet */
	_Atomic uint64_t committed;  /* generation << LENGTH_BITS | bytes of the log */
	struct area areas[2];
};

struct state {
	int fd;
	struct state_header *head; /* shared, HEAD_SIZE */
	struct state_log log;      /* its bytes: shared, STATE_LOG_SIZE */
	uint64_t limit, generation;
	const void *reading; /* mapped checkpoint */
	size_t reading_size;
};

/* Order as whoever comes after a kill sees it. */
static void commit_word(_Atomic uint64_t *word, uint64_t value)
{
	fence_signal();
	store_release(word, value); /* after a kill all stores before it are there, too */
	fence_signal();
}

static uint64_t area_at(uint64_t generation)
{
	return HEAD_SIZE + STATE_LOG_SIZE + (generation & 1) * AREA_SIZE;
}

int state_fd(const struct state *st)
{
	return st->fd;
}

bool state_is_void(const struct state *st)
{
	return st && !st->log.room;
}

void state_free(struct state *st)
{
	if (!st)
		return;
	state_done_reading(st);
	if (st->log.bytes)
		munmap(st->log.bytes, STATE_LOG_SIZE);
	if (st->head)
		munmap(st->head, HEAD_SIZE);
	if (st->fd >= 0)
		close(st->fd);
	free(st);
}

static void *map(int fd, uint64_t at, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)at);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_DONTDUMP);
	return p;
}

/* Takes `fd` over if it succeeds. */
static int map_state(int fd, struct state **ret)
{
	struct state *st = calloc(1, sizeof(*st));

	if (!st)
		return -ENOMEM;
	st->fd = -1;
	st->head = map(fd, 0, HEAD_SIZE);
	st->log.bytes = map(fd, HEAD_SIZE, STATE_LOG_SIZE);
	if (!st->head || !st->log.bytes) {
		state_free(st);
		return -ENOMEM;
	}
	st->fd = fd;
	st->log.room = STATE_LOG_SIZE;
	st->log.generation = &st->head->generation;
	st->log.events = UINT64_MAX;
	st->limit = MIN_LIMIT;
	*ret = st;
	return 0;
}

int state_new(struct state **ret)
{
	int fd = memfd_new(STATE_MEMFD), r;
	struct state *st;

	if (fd < 0)
		return fd;
	r = ftruncate(fd, (off_t)FILE_SIZE) ? -errno : map_state(fd, &st);
	if (r) {
		close(fd);
		return r;
	}
	st->head->magic = STATE_MAGIC;
	st->head->version = STATE_VERSION;
	st->head->event_size = sizeof(struct abi_event);
	*ret = st;
	return 0;
}

/* --- reading back ------------------------------------------------------------------------------------------ */

static int check_header(struct state *st)
{
	const struct state_header *h = st->head;

	st->generation = load_relaxed(&h->generation);
	if (h->magic != STATE_MAGIC)
		return -EBADMSG;
	if (h->version != STATE_VERSION || h->event_size != sizeof(struct abi_event))
		return -EPROTO;
	if (!st->generation)
		return -ENODATA;
	store_relaxed(&st->head->attempts, load_relaxed(&h->at_work) ? load_relaxed(&h->attempts) + 1 : 0);
	state_begin_work(st);
	return load_relaxed(&h->attempts) > MAX_ATTEMPTS ? -ELOOP : 0;
}

static void set_limit(struct state *st, uint64_t checkpoint)
{
	uint64_t limit = checkpoint < MAX_LIMIT ? LOG_PER_CHECKPOINT * checkpoint : MAX_LIMIT;

	st->limit = limit < MIN_LIMIT ? MIN_LIMIT : limit > MAX_LIMIT ? MAX_LIMIT : limit;
}

/* Reading a hole would fill it: what a damaged size covers is looked at no further. */
static bool is_written(int fd, uint64_t at, uint64_t size)
{
	off_t hole = size <= AREA_SIZE ? lseek(fd, (off_t)at, SEEK_HOLE) : -1;

	return size == 0 || (hole >= 0 && (uint64_t)hole - at >= size);
}

static int check_log(struct state *st)
{
	uint64_t committed = load_relaxed(&st->head->committed), size = st->head->areas[st->generation & 1].size;
	uint64_t used = committed & LENGTH_MASK;

	if (committed >> LENGTH_BITS != (st->generation & (UINT64_MAX >> LENGTH_BITS)))
		used = 0;
	if (used > STATE_LOG_SIZE || used % 8 || size == 0 || size > AREA_SIZE ||
	    !is_written(st->fd, HEAD_SIZE, used))
		return -EBADMSG;
	st->log.used = used;
	set_limit(st, size);
	return 0;
}

int state_open(int fd, struct state **ret)
{
	struct state *st;
	struct stat file;
	int r;

	if (fstat(fd, &file) || (uint64_t)file.st_size != FILE_SIZE)
		return -EBADMSG;
	r = map_state(fd, &st);
	if (r)
		return r;
	r = check_header(st);
	if (!r)
		r = check_log(st);
	if (r) {
		st->fd = -1; /* the caller's */
		state_free(st);
		return r;
	}
	*ret = st;
	return 0;
}

void state_begin_work(struct state *st)
{
	if (st)
		store_relaxed(&st->head->at_work, 1);
	fence_signal();
}

void state_end_work(struct state *st)
{
	fence_signal();
	if (st)
		store_relaxed(&st->head->at_work, 0);
}

int state_checkpoint(struct state *st, const void **ret, size_t *ret_size)
{
	const struct area a = st->head->areas[st->generation & 1];
	void *p;

	if (!is_written(st->fd, area_at(st->generation), a.size))
		return -EBADMSG;
	p = mmap(NULL, a.size, PROT_READ, MAP_SHARED, st->fd, (off_t)area_at(st->generation));
	if (p == MAP_FAILED)
		return -errno;
	st->reading = p;
	st->reading_size = a.size;
	if (pack_sum(0, p, a.size) != a.sum)
		return -EBADMSG;
	*ret = p;
	*ret_size = a.size;
	return 0;
}

void state_done_reading(struct state *st)
{
	if (st->reading)
		munmap((void *)(uintptr_t)st->reading, st->reading_size);
	st->reading = NULL;
}

const struct record *state_next(const struct state *st, size_t *at)
{
	const struct record *r = (const void *)(st->log.bytes + *at);
	uint64_t left = st->log.used - *at;

	if (left == 0)
		return NULL;
	if (left < sizeof(*r) || r->size > left - sizeof(*r) || r->size % 8) {
		*at = SIZE_MAX;
		return NULL;
	}
	*at += sizeof(*r) + r->size;
	return r;
}

/* --- the log ------------------------------------------------------------------------------------------------- */

struct state_log *state_log(struct state *st)
{
	return st ? &st->log : NULL;
}

static void close_events(struct state_log *l)
{
	struct record *r;

	if (l->events == UINT64_MAX)
		return;
	r = (void *)(l->bytes + l->events);
	r->size = (uint32_t)(l->used - l->events - sizeof(*r));
	l->events = UINT64_MAX;
}

/* Without room the state is void for good: what comes could not be replayed onto what is there. */
static struct record *begin(struct state_log *l, enum record_kind kind, size_t size)
{
	struct record *r = (void *)(l->bytes + l->used);

	if (l->used + sizeof(*r) + size > l->room) {
		l->room = 0;
		commit_word(l->generation, 0);
		return NULL;
	}
	r->kind = kind;
	r->size = (uint32_t)size;
	l->used += sizeof(*r);
	return r;
}

bool state_open_events(struct state_log *l)
{
	uint64_t at;

	close_events(l);
	at = l->used;
	if (!begin(l, RECORD_EVENTS, sizeof(struct abi_event)))
		return false;
	l->events = at;
	return true;
}

void *state_add(struct state *st, enum record_kind kind, size_t size)
{
	struct record *r;

	if (!st)
		return NULL;
	close_events(&st->log);
	r = begin(&st->log, kind, size);
	if (!r)
		return NULL;
	st->log.used += size;
	return r + 1;
}

void state_commit(struct state *st)
{
	if (!st || !st->log.room)
		return;
	close_events(&st->log);
	TEST_POINT(state_logged);
	commit_word(&st->head->committed, st->generation << LENGTH_BITS | st->log.used);
	TEST_POINT(state_committed);
}

/* --- checkpoints --------------------------------------------------------------------------------------------- */

bool state_wants_checkpoint(const struct state *st)
{
	return st && st->log.room && st->log.used > st->limit;
}

int state_begin_checkpoint(struct state *st, struct pack_writer *ret)
{
	if (!st->log.room)
		return -ENOSPC;
	pack_begin(ret, st->fd, area_at(st->generation + 1));
	return 0;
}

static void forget_old(const struct state *st, uint64_t used)
{
	const uint64_t kept = (st->limit / LOG_PER_CHECKPOINT) & ~(uint64_t)(HEAD_SIZE - 1);
	int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	fallocate(st->fd, how, (off_t)area_at(st->generation - 1), (off_t)AREA_SIZE);
	if (used > kept)
		fallocate(st->fd, how, (off_t)(HEAD_SIZE + kept), (off_t)(used - kept));
}

int state_flip(struct state *st, struct pack_writer *w)
{
	uint64_t next = st->generation + 1, used = st->log.used;
	int r = pack_end(w);

	if (!r && w->size > AREA_SIZE)
		r = -EFBIG;
	if (r)
		return r;
	st->head->areas[next & 1] = (struct area){ w->size, w->sum };
	TEST_POINT(state_checkpoint_written);
	commit_word(&st->head->generation, next);
	TEST_POINT(state_flipped);
	st->generation = next;
	st->log.used = 0;
	st->log.events = UINT64_MAX;
	set_limit(st, w->size);
	forget_old(st, used);
	return 0;
}
