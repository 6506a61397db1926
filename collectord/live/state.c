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
#include "collectord/live/state_impl.h"

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
	st->head->major = STATE_MAJOR;
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
	if ((h->major != STATE_MAJOR && h->major != STATE_FORMAT_2) || h->event_size != sizeof(struct abi_event))
		return -EPROTO;
	if (!st->generation)
		return -ENODATA;
	st->is_format_2 = h->major == STATE_FORMAT_2 || !h->formats[st->generation & 1];
	if (!st->is_format_2 && FORMAT_MAJOR(h->formats[st->generation & 1]) != STATE_MAJOR)
		return -EPROTO;
	store_relaxed(&st->head->attempts, load_relaxed(&h->at_work) ? load_relaxed(&h->attempts) + 1 : 0);
	state_begin_work(st);
	return load_relaxed(&h->attempts) > MAX_ATTEMPTS ? -ELOOP : 0;
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
	state_set_limit(st, size);
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

void state_take_over(struct state *st)
{
	if (st->head->major != STATE_MAJOR)
		memset(st->head->formats, 0, sizeof(st->head->formats));
	fence_signal();
	st->head->major = STATE_MAJOR;
	fence_signal();
}

bool state_is_format_2(const struct state *st)
{
	return st->is_format_2;
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
