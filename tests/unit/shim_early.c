/* tests/unit/shim_early.c - the arena for calls that come before there is an allocator. */
#include <stdint.h>
#include <string.h>

#include <criterion/criterion.h>

#include "preload/early.h"
#include "preload/live.h"
#include "preload/record.h"

Test(early, gives_zeroed_aligned_separate_blocks)
{
	unsigned char *last = NULL;

	for (size_t size = 0; size < 100; size++) {
		unsigned char *p = early_malloc(size);

		cr_assert_not_null(p);
		cr_assert_eq((uintptr_t)p % 16, 0);
		cr_assert_eq(early_size(p), size);
		cr_assert(last == NULL || p >= last + (size ? size - 1 : 0) + 16, "room for the header between");
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(p[i], 0);
		memset(p, 0xaa, size);
		last = p;
	}
}

Test(early, keeps_large_alignments)
{
	for (size_t align = 1; align <= 65536; align *= 4) {
		void *p = early_memalign(align, 24);

		cr_assert_not_null(p);
		cr_assert_eq((uintptr_t)p % align, 0);
		cr_assert_eq(early_size(p), 24);
	}
}

Test(early, fails_without_harm_when_exhausted)
{
	size_t n = 0;

	cr_expect_null(early_malloc(SIZE_MAX));
	cr_expect_null(early_malloc(EARLY_BYTES));
	cr_expect_null(early_memalign((size_t)1 << 62, 1));
	cr_expect_null(early_calloc(SIZE_MAX / 2 + 1, 2), "a product of 0, modulo 2^64");
	while (early_malloc(1000))
		n++;
	cr_expect_gt(n, EARLY_BYTES / 1100);
	cr_expect_null(early_malloc(1000));
	n = 0;
	while (early_malloc(1))
		n++;
	cr_expect_leq(n, 1016 / 32, "the rest is used up, not passed");
}

Test(early, knows_its_own)
{
	int local;
	char *p = early_malloc(10);

	cr_expect(early_owns(p));
	cr_expect(live_maybe(p), "free() must not pass it to the real allocator");
	cr_expect_not(early_owns(&local));
	cr_expect_not(early_owns(NULL));
}

Test(early, reallocates_by_copy)
{
	char *p = early_realloc(NULL, 6), *q;

	memcpy(p, "hello", 6);
	q = early_realloc(p, 100);
	cr_expect_neq(q, p);
	cr_expect_str_eq(q, "hello");
	q = early_realloc(q, 2);
	cr_expect_eq(memcmp(q, "he", 2), 0);
	cr_expect_null(early_realloc(q, 0));
}

Test(early, blocks_are_freed_and_grown_by_the_hooks_cold_paths)
{
	char *p = early_malloc(6);

	memcpy(p, "hello", 6);
	p = record_realloc(p, 1000);
	cr_assert_not_null(p);
	cr_expect_not(early_owns(p));
	cr_expect_str_eq(p, "hello");
	record_free(p);
	record_free(early_malloc(3));
	cr_expect_null(record_realloc(early_malloc(3), 0));
	cr_expect_null(record_realloc(early_malloc(3), SIZE_MAX / 2), "and a failure is one");
}
