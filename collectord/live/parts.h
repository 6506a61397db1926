/* collectord/live/parts.h - what a checkpoint consists of: parts, each of which says what it is and how long.
 *
 * So another minor version of the collector can read it (state.h).  A part is a struct with whatever follows it, or
 * an array of structs.  Structs only grow, at their ends: a reader takes fields that are missing as 0 and skips
 * those it does not know, like data behind the struct's own and like whole parts, unless these are vital.
 * Values are as the processor has them; one writer or reader, one thread, nothing owned. */
#pragma once

#include "collectord/live/pack.h"
#include "common/testnext.h"

enum part_kind {
	PART_SESSION = 1,
	PART_THREADS, /* struct thread_name[] */
	PART_DRAIN,
	PART_SEEN, /* what was seen of spill counters: an array */
	PART_PROCESS,
	PART_BOOKS,
	PART_TOTAL,
	PART_WORDS,  /* uint64_t[] */
	PART_POINTS, /* struct snapshot_point[] */
	PART_BUCKET, /* cells of its histograms follow */
	PART_SHARED, /* uint32_t[] */
	PART_KINDS,
};

/* A bit of a part's or a record's kind: books without it would be wrong, who does not know it refuses. */
#define STATE_VITAL 0x80000000u

/* `extra` bytes follow the struct, by pack_put(). */
void part_put(struct pack_writer *w, enum part_kind kind, const void *p, size_t size, size_t extra);
/* The items follow, by pack_put(). */
void part_put_array(struct pack_writer *w, enum part_kind kind, size_t item, size_t n);
void part_end(struct pack_writer *w); /* of either */

/* A struct of `size` bytes, and the reader stands at what follows it, until part_leave().  0, -EBADMSG: the next
 * part is another one or damaged; -EPROTO: there is a vital one between that we do not know. */
int part_get(struct pack_reader *r, enum part_kind kind, void *ret, size_t size);
void part_leave(struct pack_reader *r);

/* `n` items of `size` bytes, in memory for `room` of them (at least one), the caller's to free.  As part_get(), and
 * -ENOMEM. */
int part_get_array(struct pack_reader *r, enum part_kind kind, size_t n, size_t size, size_t room, void **ret);

/* Is the next part we know of this kind? */
bool part_is_next(struct pack_reader *r, enum part_kind kind);

/* Nothing that we know or must know comes any more: 0, or as part_get(). */
int part_finish(struct pack_reader *r);
