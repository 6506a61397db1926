/* preload/live_impl.h - the live table's layout, between live.c and live_walk.c.  Letters: live.h. */
#pragma once

#include <assert.h>
#include <stdalign.h>

#include "preload/live.h"

#define LIVE_REACH 8u /* places away from home */

struct live_bucket {
	alignas(CACHE_LINE) _Atomic uintptr_t key[LIVE_SLOTS]; /* P, Q, R, S */
	_Atomic uint64_t away; /* entries at home here that live elsewhere: see below */
	struct live_entry entry[LIVE_SLOTS];
};
static_assert(LIVE_REACH == sizeof(uint64_t), "a byte of `away` for each");
static_assert(sizeof(struct live_bucket) == 256, "a bucket is four lines, its keys the first");

#define LIVE_PARTS (1u << 18)

/* The table, and the one kept in reserve for the day T is lowered: it costs address space until then. */
struct live_table {
	_Atomic(struct live_bucket *) buckets; /* T, U */
	uint32_t mask;
	_Atomic uint32_t used; /* there was an entry in it */
	/* Which parts were ever written, so that live_each() need not fault in the rest. */
	uint32_t part_shift; /* log2 of the buckets of a part: a page of them, or more if the table is huge */
	_Atomic uint64_t touched[LIVE_PARTS / 64];
};
extern HIDDEN struct live_table live_tables[2];
