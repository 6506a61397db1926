/* preload/live.h - which live blocks are sampled: an exact table, and in front of it a filter of one byte load.
 *
 * Any thread, also in signal handlers, in forked children (their own copy) and after TLS teardown; lock-free, no
 * libc call.  live_init() once, from the constructor; before it nothing is found and nothing can be inserted.
 *
 * A block is inserted before malloc() returns it and detached before the real free() or realloc() gets it, so in
 * a correct program one pointer has one entry and one thread at a time works on it.  Programs that free twice or
 * race on a free stay harmless: exactly one of them detaches.
 *
 * Ordering:
 *   fill entry; store_release(key, p)  (P)      cas(key, p -> detached), read entry  (Q)
 *     P pairs with Q: whoever detaches an entry sees what its inserter wrote.
 *   read entry; store_release(key, 0)  (R)      cas(key, 0 -> detached), fill entry  (S)
 *     R pairs with S: a slot's next owner writes after the last one has read.
 *   set the mask; store_release(table) (T)      load_acquire(table)                  (U)
 *     T pairs with U: whoever sees the table sees its size and its zeros. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/atomics.h"
#include "common/compiler.h"

/* What the event of a free repeats from its alloc. */
struct live_entry {
	uint64_t size, born_ns;
	uint32_t rate;
	unsigned stack : 24; /* ABI_MAX_STACK_SLOTS */
	unsigned mark : 8;   /* child_mark() */
};

/* An entry taken out by live_detach(): invisible to everybody else, its slot still reserved. */
struct live_ref {
	struct live_entry entry;
	uintptr_t p;
	uint32_t table, bucket, home, slot, try; /* `try`: which of the places away from home */
};

#define LIVE_FILTER_BITS 16
#define LIVE_PINNED 255u /* a counter that got here stays: its true value is unknown */

extern _Atomic uint8_t live_filter[1u << LIVE_FILTER_BITS];

/* Neighbours share a cache line: 1 KiB of heap per 64 counters. */
static inline _Atomic uint8_t *live_filter_at(const void *p)
{
	return &live_filter[(uint16_t)((uintptr_t)p >> 4)];
}

/* False: `p` is certainly neither sampled nor from the early arena nor NULL.  Relaxed: whoever may free a block
 * got it from its malloc(), which counted it before it returned. */
static inline bool live_maybe(const void *p)
{
	return load_relaxed(live_filter_at(p)) != 0;
}

/* Make live_maybe() true for `p` for ever. */
void live_filter_pin(const void *p);

/* For every pointer: when all blocks are recorded the filter has nothing to tell, and two atomic counts less to do
 * for each of them. */
void live_filter_pin_all(void);

/* Make room for at least `entries`; the mapping is sparse.  If memory is limited the table gets smaller.
 * Returns 0 or -ENOMEM. */
int live_init(uint64_t entries);

/* Likewise, once, right after live_init(): a second table, for entries whose T is at most LIVE_DENSE and for what
 * finds no room in the first.  Its memory is not touched before that. */
int live_reserve(uint64_t entries);
#define LIVE_DENSE 4096u

/* Address space of both, in bytes. */
uint64_t live_space(void);

/* False: no room (or no table).  Then nothing was changed. */
bool live_insert(const void *p, const struct live_entry *e);

/* `p`, fresh from an allocator, will be inserted: where it is at home, whose lines may come meanwhile. */
struct live_home {
	struct live_bucket *bucket; /* NULL: a live_put() there would fail */
	uint32_t at, table;
};
struct live_home live_expect(const void *p, uint32_t rate);

/* The quick live_insert(), at home.  True also says that there was no entry of `p`, which its free would have left
 * if nobody told us of that.  False: nothing was changed, and nothing is known. */
bool live_put(struct live_home home, const void *p, const struct live_entry *e);

/* Take the entry of `p` out, if there is one: follow with live_restore() or live_drop().  *ref is nobody's before:
 * without an entry it says nothing. */
bool live_detach(const void *p, struct live_ref *ref);
void live_restore(const struct live_ref *ref);
void live_drop(const struct live_ref *ref);

/* A walk through the table while others work on it.  `at` is 0 before, LIVE_AT(place) while the walk is at that
 * live_place(), one more when it has been there, and the highest number in the end.  While it is there, whose an
 * entry is is decided by the first CAS of its slot's word, from LIVE_OPEN: the walk's (LIVE_TOLD: given to `each`;
 * LIVE_MISSED: it was out of the table, given to `missed`), or that of who detached it (LIVE_TAKEN).  So nobody
 * waits. */
#define LIVE_SLOTS 7u
struct live_turns {
	_Atomic uint64_t at;
	_Atomic uint64_t turn[LIVE_SLOTS]; /* LIVE_TURN() */
};
enum { LIVE_OPEN, LIVE_TOLD, LIVE_TAKEN, LIVE_MISSED };
#define LIVE_AT(place) (2 * (place) + 1)
#define LIVE_TURN(place, what) ((place) << 2 | (uint64_t)(what))

struct live_walk {
	struct live_turns *turns;
	void (*each)(const struct live_entry *e, void *arg);
	void (*missed)(uintptr_t p, void *arg);
	void *arg;
};

void live_each(const struct live_walk *w);
uint64_t live_place(const struct live_ref *ref);

/* All marks become 0; while there is one thread. */
void live_unmark(void);
