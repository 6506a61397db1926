/* tests/unit/test_histogram.c - sparse histograms against arrays that have all classes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/histogram.h"

#define COLUMNS 2

struct full {
	uint64_t cells[HISTOGRAM_MAX_CLASSES][COLUMNS];
};

static void check(const struct histogram *h, const struct full *m)
{
	const uint64_t *cell = h->cells;

	for (unsigned c = 0; c < HISTOGRAM_MAX_CLASSES; c++) {
		if (!(h->classes >> c & 1)) {
			cr_assert_eq(m->cells[c][0] | m->cells[c][1], 0, "class %u", c);
			continue;
		}
		cr_assert_eq(cell - h->cells, (ptrdiff_t)histogram_place(h, c) * COLUMNS);
		cr_assert_eq(*cell++, m->cells[c][0], "class %u", c);
		cr_assert_eq(*cell++, m->cells[c][1], "class %u", c);
	}
	cr_assert_eq(cell - h->cells, (ptrdiff_t)histogram_used(h) * COLUMNS);
}

static void fill(struct histogram *h, struct full *m, unsigned seed)
{
	const int n = rand_r(&seed) % 200;

	for (int i = 0; i < n; i++) {
		unsigned class = (unsigned)rand_r(&seed) % (i % 3 ? 64 : 5), k = (unsigned)rand_r(&seed) % COLUMNS;
		uint64_t v = (uint64_t)rand_r(&seed) << rand_r(&seed) % 33, *cells;

		cells = histogram_put(h, class, COLUMNS);
		cr_assert_not_null(cells);
		cells[k] += v;
		m->cells[class][k] += v;
	}
}

Test(histogram, equals_an_array_of_all_classes)
{
	for (unsigned seed = 0; seed < 300; seed++) {
		struct histogram h = { 0 };
		struct full m = { 0 };
		uint64_t sum[COLUMNS] = { 0 };

		fill(&h, &m, seed);
		check(&h, &m);
		for (unsigned c = 0; c < HISTOGRAM_MAX_CLASSES; c++)
			for (unsigned k = 0; k < COLUMNS; k++)
				sum[k] += m.cells[c][k];
		for (unsigned k = 0; k < COLUMNS; k++)
			cr_assert_eq(histogram_total(&h, COLUMNS, k), sum[k]);
		histogram_done(&h);
	}
}

Test(histogram, sums_of_two_have_the_classes_of_both)
{
	for (unsigned seed = 0; seed < 300; seed++) {
		struct histogram a = { 0 }, b = { 0 }, sum;
		struct full m = { 0 };
		uint64_t cells[HISTOGRAM_MAX_CLASSES * COLUMNS];

		memset(cells, 0xff, sizeof(cells));
		fill(&a, &m, 2 * seed);
		fill(&b, &m, 2 * seed + 1);
		histogram_sum(&a, &b, COLUMNS, &sum, cells);
		cr_assert_eq(sum.classes, a.classes | b.classes);
		check(&sum, &m);
		histogram_done(&a);
		histogram_done(&b);
	}
}

Test(histogram, a_class_holds_one_bit_length)
{
	cr_assert_eq(histogram_class(0, 48), 0);
	cr_assert_eq(histogram_class(1, 48), 1);
	for (unsigned c = 2; c < 47; c++) {
		cr_assert_eq(histogram_class(1ull << (c - 1), 48), c);
		cr_assert_eq(histogram_class((1ull << c) - 1, 48), c);
		cr_assert_eq(histogram_from(c), 1ull << (c - 1));
	}
	cr_assert_eq(histogram_class(1ull << 46, 48), 47);
	cr_assert_eq(histogram_class(UINT64_MAX, 48), 47, "the last class takes the rest");
	cr_assert_eq(histogram_class(UINT64_MAX, 64), 63);
	cr_assert_eq(histogram_from(0), 0);
	cr_assert_eq(histogram_from(1), 1);
}
