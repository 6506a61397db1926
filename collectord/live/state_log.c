/* collectord/live/state_log.c - the writing half of state.h: the log, and checkpoints that take its place. */
#include <errno.h>
#include <fcntl.h>

#include "collectord/live/pack.h"
#include "collectord/live/state_impl.h"
#include "common/testpoint.h"

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

void state_set_limit(struct state *st, uint64_t checkpoint)
{
	uint64_t limit = checkpoint < MAX_LIMIT ? LOG_PER_CHECKPOINT * checkpoint : MAX_LIMIT;

	st->limit = limit < MIN_LIMIT ? MIN_LIMIT : limit > MAX_LIMIT ? MAX_LIMIT : limit;
}

bool state_wants_checkpoint(const struct state *st)
{
	return st && st->log.room && st->log.used > st->limit;
}

void state_put_off(struct state *st)
{
	st->limit = 2 * st->log.used;
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
	st->head->formats[next & 1] = FORMAT(STATE_MAJOR, STATE_MINOR);
	TEST_POINT(state_checkpoint_written);
	commit_word(&st->head->generation, next);
	TEST_POINT(state_flipped);
	st->generation = next;
	st->is_format_2 = false;
	st->log.used = 0;
	st->log.events = UINT64_MAX;
	state_set_limit(st, w->size);
	forget_old(st, used);
	return 0;
}
