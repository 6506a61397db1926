/* tests/unit/region.h - a shared region in ordinary memory, for tests of common/.
 *
 * One owner; test_region_done() frees it.  The memory is private and zeroed, as a fresh memfd would be. */
#pragma once

#include <stdlib.h>

#include <criterion/criterion.h>

#include "common/abi.h"

struct test_region {
	struct abi_region r;
	struct abi_header header;
	void *memory;
};

static inline struct abi_geometry test_geometry(void)
{
	return (struct abi_geometry){ .lanes = 4,
				      .lane_events = 16,
				      .procs = 4,
				      .stack_slots = 256,
				      .stack_words = 4096,
				      .spill_slots = 64,
				      .modules = 8,
				      .strings = 256 };
}

static inline void test_region_init(struct test_region *t, const struct abi_geometry *geo)
{
	cr_assert(abi_header_init(&t->header, geo));
	t->memory = aligned_alloc(ABI_PAGE, t->header.region_size);
	cr_assert_not_null(t->memory);
	for (uint64_t i = 0; i < t->header.region_size; i++)
		((char *)t->memory)[i] = 0;
	abi_region_map(&t->r, t->memory, &t->header);
	*t->r.header = t->header;
	store_relaxed(&t->r.cursors->words, 1);
}

static inline void test_region_done(struct test_region *t)
{
	free(t->memory);
}
