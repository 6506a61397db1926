/* tests/unit/test_profile.c - the profile model's builders: interning, one entry per thing, growth. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/profile.h"
#include "collectord/profile/spans.h"

static struct profile *p;

static void setup(void)
{
	p = profile_new();
	cr_assert_not_null(p);
}

static void teardown(void)
{
	profile_free(p);
}

TestSuite(profile, .init = setup, .fini = teardown);

Test(profile, equal_strings_are_one_pointer_however_many_there_are)
{
	enum { MANY = 100000 };
	static const char *at[MANY];
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "function_%d", i);
		at[i] = profile_string(p, name);
		cr_assert_str_eq(at[i], name);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "function_%d", i);
		cr_assert_eq(profile_string(p, name), at[i]);
		cr_assert_str_eq(at[i], name);
	}
	cr_assert_neq(at[1], at[10]);
	cr_assert_eq(profile_string_n(p, "function_1234", strlen("function_12")), at[12]);
	cr_assert_eq(profile_string_n(p, "function_7\0junk", 15), at[7], "a string ends at its NUL");
	cr_assert_str_eq(profile_string(p, ""), "");
}

Test(profile, equal_functions_are_one_and_any_difference_makes_two)
{
	uint32_t a = profile_add_function(p, "f", "_f", "f.c", 1);

	cr_assert_eq(profile_add_function(p, "f", "_f", "f.c", 1), a);
	cr_assert_neq(profile_add_function(p, "g", "_f", "f.c", 1), a);
	cr_assert_neq(profile_add_function(p, "f", "_g", "f.c", 1), a);
	cr_assert_neq(profile_add_function(p, "f", "_f", "g.c", 1), a);
	cr_assert_neq(profile_add_function(p, "f", "_f", "f.c", 2), a);
	cr_assert_eq(p->n_functions, 5);
	cr_assert_str_eq(p->functions[a].system_name, "_f");
}

Test(profile, equal_locations_are_one_per_mapping)
{
	enum { MANY = 50000 };

	for (uint64_t i = 0; i < MANY; i++)
		cr_assert_eq(profile_add_location(p, i % 2 ? 0 : PROFILE_NONE, i << 12), i);
	for (uint64_t i = 0; i < MANY; i++)
		cr_assert_eq(profile_add_location(p, i % 2 ? 0 : PROFILE_NONE, i << 12), i);
	cr_assert_eq(profile_add_location(p, 1, 4096), MANY, "another mapping, another location");
	cr_assert_eq(p->locations[3].address, 3 << 12);
	cr_assert_eq(p->locations[3].mapping, 0);
	cr_assert_eq(p->locations[3].n_lines, 0);
}

/* Codecs fill tables themselves, equal entries included; builders then append behind them and find them. */
Test(profile, builders_continue_a_table_filled_by_hand)
{
	p->locations = profile_alloc(p, 3, sizeof(*p->locations));
	p->n_locations = 3;
	for (uint32_t i = 0; i < 3; i++)
		p->locations[i] = (struct profile_location){ .mapping = PROFILE_NONE, .address = i / 2 };
	cr_assert_eq(profile_add_location(p, PROFILE_NONE, 1), 2);
	cr_assert_eq(profile_add_location(p, PROFILE_NONE, 0), 0, "the first of equals");
	cr_assert_eq(profile_add_location(p, PROFILE_NONE, 7), 3);
	cr_assert_eq(p->n_locations, 4);
	cr_assert_eq(p->locations[2].address, 1);
}

Test(profile, samples_start_at_zero_and_keep_their_stacks)
{
	const uint32_t stack[] = { 4, 2, 0 };

	profile_add_sample_type(p, "x", "count");
	profile_add_sample_type(p, "y", "bytes");
	for (uint32_t i = 0; i < 1000; i++) {
		cr_assert_eq(profile_add_sample(p, stack, i % 4), i);
		cr_assert_eq(p->samples[i].values[0] | p->samples[i].values[1], 0);
		p->samples[i].values[1] = i;
	}
	for (uint32_t i = 0; i < 1000; i++) {
		cr_assert_eq(p->samples[i].n_locations, i % 4);
		cr_assert_eq(memcmp(p->samples[i].locations, stack, i % 4 * sizeof(*stack)), 0);
		cr_assert_eq(p->samples[i].values[1], i);
		cr_assert_null(p->samples[i].variance);
	}
}

Test(profile, mappings_own_their_strings)
{
	char file[] = "/bin/x", id[] = "ab";
	struct profile_mapping m = { .start = 1, .limit = 2, .file = file, .build_id = id, .bias = 3 };

	cr_assert_eq(profile_add_mapping(p, &m), 0);
	file[1] = id[0] = '?';
	cr_assert_str_eq(p->mappings[0].file, "/bin/x");
	cr_assert_str_eq(p->mappings[0].build_id, "ab");
	cr_assert_eq(p->mappings[0].bias, 3);
}

Test(profile, default_type_is_the_named_one_else_the_last)
{
	cr_assert_eq(profile_default_type(p), 0);
	profile_add_sample_type(p, "a", "count");
	profile_add_sample_type(p, "b", "bytes");
	cr_assert_eq(profile_default_type(p), 1);
	p->default_sample_type = "a";
	cr_assert_eq(profile_default_type(p), 0);
	p->default_sample_type = "nothing";
	cr_assert_eq(profile_default_type(p), 1);
	cr_assert_eq(profile_find_type(p, "b"), 1);
	cr_assert_eq(profile_find_type(p, "c"), PROFILE_NONE);
}

Test(profile, absurd_sizes_are_refused_not_wrapped)
{
	cr_assert_null(profile_alloc(p, SIZE_MAX / 4 + 2, 4), "4 after wrapping");
	cr_assert_null(profile_alloc(p, SIZE_MAX - 8, 1));
	cr_assert_not_null(profile_alloc(p, 0, 8));
}

Test(profile, errors_of_independent_samples_add_in_squares)
{
	double variance = -1;

	profile_add_sample_type(p, "x", "count");
	cr_assert(profile_variance(p, 0, &variance));
	cr_assert_eq(variance, 0);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_neq(profile_add_sample(p, &i, 1), PROFILE_NONE);
		p->samples[i].variance = profile_alloc(p, 1, sizeof(double));
		p->samples[i].variance[0] = (double)(1 + i);
	}
	cr_assert(profile_variance(p, 0, &variance));
	cr_assert_eq(variance, 6);
	p->samples[1].variance = NULL;
	variance = -1;
	cr_assert(!profile_variance(p, 0, &variance), "one unknown, all unknown");
	cr_assert_eq(variance, -1);
	cr_assert_float_eq(profile_error_95(4), 2 * 1.96, 1e-12);
	cr_assert_eq(profile_error_95(0), 0);
	cr_assert_eq(profile_error_95(-1), 0);
}

Test(arena, hands_out_zeroed_aligned_separate_memory_up_to_its_budget)
{
	struct arena a = { .budget = 1 << 20 };
	unsigned char *last = NULL;
	size_t got = 0;

	for (size_t n = 1;; n = n * 3 % 5000 + 1) {
		unsigned char *m = arena_alloc(&a, n);

		if (!m)
			break;
		cr_assert_eq((uintptr_t)m % 16, 0);
		cr_assert(!last || m != last);
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(m[i], 0);
		memset(m, 0xff, n);
		last = m;
		got += n;
	}
	cr_assert_leq(got, 1 << 20);
	cr_assert_gt(got, (1 << 20) - 6000 - 16 * 2000);
	arena_done(&a);
	cr_assert_null(a.chunks);
}

static bool same_entry(const void *ctx, uint32_t entry)
{
	return *(const uint32_t *)ctx == entry;
}

Test(index, tells_entries_with_one_hash_apart)
{
	struct index ix = { 0 };
	uint32_t absent = 5000;

	for (uint32_t i = 0; i < 2000; i++)
		cr_assert(index_add(&ix, i % 3, i));
	for (uint32_t i = 0; i < 2000; i++)
		cr_assert_eq(index_find(&ix, i % 3, same_entry, &i), i);
	cr_assert_eq(index_find(&ix, 1, same_entry, &absent), ARENA_NONE);
	cr_assert_eq(index_find(&ix, 77, same_entry, &absent), ARENA_NONE);
	index_done(&ix);
	cr_assert_eq(index_find(&ix, 1, same_entry, &absent), ARENA_NONE);
}

/* A linear search over all spans is the oracle: the covering ones, the one that starts last first. */
Test(spans, agree_with_a_linear_search)
{
	enum { N = 200, SPACE = 1000 };
	struct spans t = { 0 };
	uint64_t starts[N], ends[N];
	unsigned state = 5;

	for (uint32_t i = 0; i < N; i++) {
		state = state * 1103515245 + 12345;
		starts[i] = (state >> 8) % SPACE;
		ends[i] = starts[i] + 1 + (state >> 20) % (i % 7 ? 20 : 400);
		cr_assert_eq(spans_add(&t, starts[i], ends[i], i), 0);
	}
	spans_sort(&t);
	for (uint64_t a = 0; a < SPACE + 500; a++) {
		const struct span *s = spans_find(&t, a);
		size_t covering = 0, met = 0;

		for (uint32_t i = 0; i < N; i++)
			covering += a >= starts[i] && a < ends[i];
		for (uint64_t last = UINT64_MAX; s; s = spans_outer(&t, s, a), met++) {
			cr_assert(a >= starts[s->item] && a < ends[s->item]);
			cr_assert_leq(s->start, last);
			last = s->start;
		}
		cr_assert_eq(met, covering, "at %lu", (unsigned long)a);
	}
	spans_done(&t);
	cr_assert_null(spans_find(&t, 5));
}

Test(spans, the_narrower_of_two_with_one_start_is_met_first)
{
	struct spans t = { 0 };

	spans_add(&t, 10, 20, 1);
	spans_add(&t, 10, 50, 2);
	spans_add(&t, 10, 15, 3);
	spans_sort(&t);
	cr_assert_eq(spans_find(&t, 12)->item, 3);
	cr_assert_eq(spans_outer(&t, spans_find(&t, 12), 12)->item, 1);
	cr_assert_eq(spans_find(&t, 15)->item, 1);
	cr_assert_eq(spans_find(&t, 49)->item, 2);
	cr_assert_null(spans_find(&t, 50));
	cr_assert_null(spans_find(&t, 9));
	spans_done(&t);
}
