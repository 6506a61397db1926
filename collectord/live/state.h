/* collectord/live/state.h - a session's state memfd: what a killed collector's successor needs.
 *
 * Two areas for checkpoints, used in turn, and a log of what happened since the newer one.  Written by one
 * collector, one thread; nobody else has it but the service manager, which keeps it.  A kill may come between any
 * two instructions, so two words say what counts, each changed by one store:
 *
 *   generation     the checkpoint in area generation % 2 is complete, and the log is empty unless `committed` is of
 *                  the same generation
 *   committed      so many bytes of the log are complete, in this generation
 *
 * A kill is to memory what a signal handler is to its thread: stores before it are seen in program order, so
 * compiler barriers are all that it takes.  Everything is checked when it is read back: sums, bounds, versions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/abi.h"
#include "common/testnext.h"

/* The format.  Another minor is read in both directions: records and parts of checkpoints say how long they are,
 * structs grow at their ends, what is missing is 0, what is not known is skipped unless it is marked vital
 * (parts.h).  So whoever adds a field or a kind raises the minor; whoever changes what is there, or what replaying
 * it does, the major.  Format 2 is still read; it had no minors, and no lengths in checkpoints. */
#define STATE_MAJOR 3u
#define STATE_MINOR TEST_NEXT_MINOR
#define STATE_FORMAT_2 2u
#define STATE_MAGIC 0x3145544154535448ull /* "HTSTATE1" */
#define STATE_MEMFD "heaptap-state"

#define STATE_LOG_SIZE (1ull << 30) /* address space; memory is what is used of it */

enum record_kind {
	RECORD_EVENTS = 1, /* struct abi_event[] */
	RECORD_SPILL,
	RECORD_TAILS,
	RECORD_PROCESS,
	RECORD_END,
	RECORD_BURIED,
	RECORD_GONE,
	RECORD_SAVED,
	RECORD_CHANGE,
	RECORD_OVER,
	RECORD_THREADS, /* struct thread_name[], all there are */
	RECORD_KINDS,
};

struct record {
	uint32_t kind; /* enum record_kind; STATE_VITAL (parts.h) */
	uint32_t size; /* bytes that follow, a multiple of 8 */
};

struct state_header; /* the memfd's first page */
struct state;

/* A memfd without a checkpoint.  0 or -errno. */
int state_new(struct state **ret);

/* One that a predecessor left; takes `fd` over if it succeeds.  -EBADMSG: it is not one, or damaged; -EPROTO: of
 * another major version; -ENODATA: there is no checkpoint in it; -ELOOP: who reads it gets killed, again and again.
 */
int state_open(int fd, struct state **ret);

/* Around all work for the session, reading back included: a session in the middle of whose work one collector after
 * the other ends is given up.  Both take NULL. */
void state_begin_work(struct state *st);
void state_end_work(struct state *st);

/* It will go on in our format: who reads only its own must not read it any more. */
void state_take_over(struct state *st);
bool state_is_format_2(const struct state *st); /* its newest checkpoint */

void state_free(struct state *st); /* takes NULL; closes the descriptor */
int state_fd(const struct state *st);

/* Room for a record of `size` bytes, to be filled before the next call; NULL: there is no state (st is NULL) or no
 * room left, and then this state is void: state_is_void(). */
void *state_add(struct state *st, enum record_kind kind, size_t size);

/* What was added counts from now on. */
void state_commit(struct state *st); /* takes NULL */

/* The log has outgrown the checkpoint: time for another one. */
bool state_wants_checkpoint(const struct state *st); /* takes NULL */
/* It failed: once more when the log is twice as long, which it is until it is full. */
void state_put_off(struct state *st);
bool state_is_void(const struct state *st); /* takes NULL: not void, there is none */

struct pack_writer;
/* Between these two the checkpoint is written.  After state_flip() it counts and the log is empty.  0 or -errno:
 * the older one and the log still count. */
int state_begin_checkpoint(struct state *st, struct pack_writer *ret);
int state_flip(struct state *st, struct pack_writer *w);

/* The newest checkpoint, checked against its sum.  Borrowed until state_done_reading(). */
int state_checkpoint(struct state *st, const void **ret, size_t *ret_size);
void state_done_reading(struct state *st);

/* The committed records, one after the other: *at begins with 0.  NULL: no more, or *at is SIZE_MAX: the log is
 * damaged. */
const struct record *state_next(const struct state *st, size_t *at);

/* --- events: what there are millions of ------------------------------------------------------------------- */

struct state_log {
	uint8_t *bytes;
	uint64_t used, room; /* room: 0 when void */
	_Atomic uint64_t *generation;
	uint64_t events; /* where the open record of events begins, or UINT64_MAX */
};
struct state_log *state_log(struct state *st); /* NULL for NULL */
bool state_open_events(struct state_log *l);

static inline void state_event(struct state_log *l, const struct abi_event *e)
{
	if (!l || (UNLIKELY(l->events == UINT64_MAX || l->used + sizeof(*e) > l->room) && !state_open_events(l)))
		return;
	*(struct abi_event *)(void *)(l->bytes + l->used) = *e;
	l->used += sizeof(*e);
}
