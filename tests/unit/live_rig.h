/* tests/unit/live_rig.h - made-up blocks and their entries, for tests of the live table through its header. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <criterion/criterion.h>

#include "preload/live.h"

#define SMALL 7168 /* 1024 buckets of 7: the smallest table */

static uint64_t random_state = 1;

static inline uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

static inline void *block(uint64_t i)
{
	return (void *)(uintptr_t)(0x7f0000000010 + i * 32);
}

static inline struct live_entry entry(uint64_t i)
{
	return (struct live_entry){ .size = i * 3, .born_ns = ~i, .rate = (uint32_t)i, .stack = (uint32_t)i * 7 };
}

static inline int same_entry(struct live_entry a, struct live_entry b)
{
	return a.size == b.size && a.born_ns == b.born_ns && a.rate == b.rate && a.stack == b.stack;
}

static inline bool insert(uint64_t i)
{
	struct live_entry e = entry(i);

	return live_put(live_expect(block(i), e.rate), block(i), &e) || live_insert(block(i), &e);
}

static inline bool take(uint64_t i)
{
	struct live_ref ref;

	if (!live_detach(block(i), &ref))
		return false;
	cr_assert(same_entry(ref.entry, entry(i)), "block %lu has another's entry", i);
	live_drop(&ref);
	return true;
}

static inline int filter_marks(void)
{
	int n = 0;

	for (uint32_t i = 1; i < 1u << LIVE_FILTER_BITS; i++)
		n += load_relaxed(&live_filter[i]) != 0;
	return n;
}

static inline uint64_t fill_up(void)
{
	uint64_t n = 0;

	while (insert(n))
		n++;
	return n;
}
