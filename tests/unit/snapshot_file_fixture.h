/* tests/unit/snapshot_file_fixture.h - one snapshot with odd content, and its encoded bytes to be damaged.
 *
 * Each test program includes it once and uses snapshot_file_setup/teardown in its suite. */
#pragma once

#include <errno.h>
#include <zlib.h>

#include "tests/unit/snapshot_fixture.h"
#include "tests/unit/tool.h"

static struct snapshot *made;
static uint8_t *file;
static size_t file_len;

static void make_detail(struct snapshot_detail *d)
{
	static const unsigned sizes[] = { 7, 0, 47, 63 };

	d->temporary_count = OBJECTS(2);
	d->temporary_bytes = BYTES(20);
	d->age_ns = UINT64_MAX;
	d->undated = 3;
	for (unsigned c = 0; c < LIFETIME_CLASSES; c += 5)
		*histogram_put(&d->lifetimes, c, LIFETIME_COLUMNS) = OBJECTS(c) + 1;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t *cells = histogram_put(&d->sizes, sizes[i], SIZE_COLUMNS);

		cells[SIZE_ALLOCATED] = OBJECTS(i);
		cells[SIZE_IN_USE] = -OBJECTS(1) - i;
	}
}

/* Ups, downs, below zero, sums that wrap. */
static void make_series(struct snapshot_series *s)
{
	uint64_t words[] = { 0, 5, UINT64_MAX, 1ull << 63, 7, 0, UINT64_MAX - 1, 9 };

	s->start_ns = 1000;
	s->interval_ns = 1000000000;
	s->n_points = 40;
	s->points = calloc(s->n_points, sizeof(*s->points));
	for (uint32_t i = 0; i < s->n_points; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(words); k++)
			words[k] = words[k] * 0x9fb21c651e98df25ull + k;
		memcpy(&s->points[i], words, sizeof(words));
	}
}

static NOINLINE void make_stacks(struct snapshot *s)
{
	const uint64_t odd[] = { 0x401000, ABI_FRAME_EXACT | 0x7f0000001234, 1, UINT64_MAX, 0 };

	fixture_add_here(s, 10, 1000);
	fixture_add_here(s, 7, 70)->epoch = 3;
	fixture_add_stack(s, odd, ARRAY_SIZE(odd), 3, 33)->flags = ABI_STACK_TRUNCATED | ABI_STACK_CAPPED;
	fixture_add_stack(s, NULL, 0, 1, 1);
	make_detail(&s->stacks[0].detail);
	s->stacks[3].detail.undated = UINT64_MAX;
	s->threads = calloc(2, sizeof(*s->threads));
	s->threads[s->n_threads++] = (struct snapshot_thread){ 4711, strdup("a thread") };
	s->threads[s->n_threads++] = (struct snapshot_thread){ UINT32_MAX, strdup("\xc3\xa9;\"") };
	make_series(&s->series);
	s->stacks[2].values.free_bytes = UINT64_MAX;
	s->stacks[2].values.var_inuse_count = -0.25;
}

static void snapshot_file_setup(void)
{
	void *buf;

	made = fixture_snapshot();
	make_stacks(made);
	made->total = made->stacks[0].values;
	made->audit = (struct snapshot_audit){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };
	made->exit_status = -3;
	cr_assert_eq(snapshot_encode(made, &buf, &file_len), 0);
	file = buf;
}

static void snapshot_file_teardown(void)
{
	snapshot_free(made);
	free(file);
}

static UNUSED int decode(const void *buf, size_t len, struct fault *f)
{
	struct snapshot *s = NULL;
	int r = snapshot_decode(buf, len, &s, f);

	if (!r)
		snapshot_free(s);
	return r;
}

#define CHECK_FAULT(buf, len, part)                                                     \
	do {                                                                            \
		struct fault f_ = { "" };                                               \
		cr_assert_eq(decode(buf, len, &f_), -EINVAL);                           \
		cr_assert(strstr(f_.text, part), "\"%s\" lacks \"%s\"", f_.text, part); \
	} while (0)

/* Make the checksum right again after a change. */
static inline void reseal(uint8_t *b, size_t len)
{
	uint32_t sum = (uint32_t)crc32_z(0, b, len - 5);

	for (int i = 0; i < 4; i++)
		b[len - 4 + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
}
