/* collectord/profile/histogram.h - how many objects of which magnitude: a histogram over powers of two.
 *
 * A class holds the values of one bit length: class 0 is 0, class c is [2^(c-1), 2^c).  Only classes that ever got
 * something take memory, 8 bytes a column, so a hundred thousand of these may be kept at once; a class is found in
 * constant time.  A histogram that was filled by histogram_put() owns its cells; others lend or borrow them.
 * Zero-initialised is empty.  One owner, one thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_MAX_CLASSES 64

/* The two kinds there are.  What is larger than the last class counts in it. */
#define LIFETIME_CLASSES 32 /* milliseconds; the last is 2^30 ms (12 days) and more */
#define LIFETIME_COLUMNS 1  /* objects freed */
#define SIZE_CLASSES 48     /* bytes; the last is 2^46 and more */
#define SIZE_COLUMNS 2      /* objects allocated, objects in use */
#define SIZE_ALLOCATED 0
#define SIZE_IN_USE 1
#define NS_PER_MS 1000000u

struct histogram {
	uint64_t classes; /* bit c: class c has cells */
	uint64_t *cells;  /* in order of class, `columns` each; counts in WEIGHT_COUNT units, modulo 2^64 */
};

static inline unsigned histogram_class(uint64_t value, unsigned n_classes)
{
	unsigned c = value ? 64u - (unsigned)__builtin_clzll(value) : 0;

	return c < n_classes ? c : n_classes - 1;
}

/* The smallest value of a class. */
static inline uint64_t histogram_from(unsigned class)
{
	return class ? 1ull << (class - 1) : 0;
}

/* Bits set.  Spelled out: without -mpopcnt, which not every x86-64 has, the builtin is a call. */
static inline unsigned histogram_bits(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555;
	v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned)(v * 0x0101010101010101 >> 56);
}

static inline unsigned histogram_used(const struct histogram *h)
{
	return histogram_bits(h->classes);
}

/* Where the cells of `class` are, or would be. */
static inline unsigned histogram_place(const struct histogram *h, unsigned class)
{
	return histogram_bits(h->classes & ((1ull << class) - 1));
}

static inline int histogram_has(const struct histogram *h, unsigned class)
{
	return h->classes >> class & 1;
}

/* The cells of `class`, made if they are not there yet; NULL when out of memory. */
uint64_t *histogram_put(struct histogram *h, unsigned class, unsigned columns);

/* Cells that cover the classes of both, filled with their sums, into `cells` (room for all 64 classes). */
void histogram_sum(const struct histogram *a, const struct histogram *b, unsigned columns, struct histogram *ret,
		   uint64_t *cells);

/* Sum of one column. */
uint64_t histogram_total(const struct histogram *h, unsigned columns, unsigned column);

void histogram_done(struct histogram *h); /* of one that owns its cells */
