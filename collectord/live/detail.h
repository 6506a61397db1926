/* collectord/live/detail.h - what a stack's objects are like: how large, how long-lived, how old, how temporary.
 *
 * Part of a bucket of the books; one owner, one thread.  Counts are weighted and in WEIGHT_COUNT units, so a free
 * takes away exactly what its alloc added.  Events that came through spill counters have neither time nor size:
 * they enter under their mean size and, as allocs, at the time they were read; as frees they are no lifetimes and
 * take away the mean birth.  `undated` says how many there were.  Without memory, or when the process has as many
 * cells as it may: the event is one of those too. */
#pragma once

#include "collectord/profile/histogram.h"
#include "common/abi.h"
#include "common/compiler.h"
#include "common/weight.h"

struct detail {
	struct histogram lifetimes; /* of freed objects, in ms */
	struct histogram sizes;     /* in bytes: allocated, in use */
	uint64_t temporary_count, temporary_bytes;
	uint64_t undated;      /* events the histograms do not know, or not well */
	uint64_t inherited_ns; /* when the last inherited objects without a birth came: it stands for their birth */
	u128 births;           /* sum over the objects in use of their time of birth, ns; modulo 2^128 */
};

/* Enter one event of weight `w`; `in_use` is the bucket's count of objects after it.  `cells_left`: how many cells
 * all histograms may still take together. */
void detail_event(struct detail *d, const struct abi_event *e, const struct weight *w, uint64_t in_use,
		  uint64_t *cells_left);

/* What spill counters gained: `events` in all, with the weights of the three kinds. */
struct detail_gain {
	uint64_t events;
	struct weight alloc, freed, inherited;
};
void detail_gain(struct detail *d, const struct detail_gain *g, uint64_t now_ns, uint64_t in_use,
		 uint64_t *cells_left);

/* Mean age at `now_ns` of the `in_use` objects; 0 if there are none. */
uint64_t detail_age_ns(const struct detail *d, uint64_t in_use, uint64_t now_ns);

void detail_done(struct detail *d);
