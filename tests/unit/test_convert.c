/* tests/unit/test_convert.c - from raw stacks to the model: addresses, modules, merging, rounding. */
#include <criterion/criterion.h>

#include <math.h>

#include "collectord/profile/convert.h"
#include "tests/unit/snapshot_fixture.h"

static struct snapshot *s;
static struct profile *p;

/* A snapshot without the modules of this process. */
static void setup(void)
{
	s = fixture_snapshot();
	for (size_t i = 0; i < s->n_modules; i++)
		free(s->modules[i].path);
	s->n_modules = 0;
	free(s->exe);
	s->exe = strdup("/bin/main");
}

static void teardown(void)
{
	profile_free(p);
	snapshot_free(s);
}

TestSuite(convert, .init = setup, .fini = teardown);

static void add_module(const char *path, uint64_t start, uint64_t end, uint32_t epoch)
{
	s->modules = realloc(s->modules, (s->n_modules + 1) * sizeof(*s->modules));
	s->modules[s->n_modules] = (struct snapshot_module){ .range = { start, end, start, epoch },
							     .path = strdup(path),
							     .build_id_len = 2,
							     .build_id = { 0xab, (uint8_t)s->n_modules } };
	s->n_modules++;
}

static void convert(enum convert_values which)
{
	struct fault f = { "" };

	cr_assert_eq(profile_from_snapshot(s, which, &p, &f), 0, "%s", f.text);
}

static const struct profile_location *location(size_t sample, size_t i)
{
	return &p->locations[p->samples[sample].locations[i]];
}

/* File of the mapping that frame `i` of a sample fell into. */
static const char *file_of(size_t sample, size_t i)
{
	uint32_t m = location(sample, i)->mapping;

	return m == PROFILE_NONE ? "none" : p->mappings[m].file;
}

Test(convert, addresses_lie_inside_the_call_and_exact_ones_stay)
{
	const uint64_t frames[] = { 0x1000, ABI_FRAME_EXACT | 0x1000, 0x1001, 0 };

	fixture_add_stack(s, frames, 4, 1, 1);
	convert(CONVERT_NOW);
	cr_assert_eq(location(0, 0)->address, 0xfff);
	cr_assert_eq(location(0, 1)->address, 0x1000);
	cr_assert_eq(location(0, 2)->address, 0x1000);
	cr_assert_eq(location(0, 3)->address, 0, "no wrap below zero");
	cr_assert_eq(p->samples[0].locations[1], p->samples[0].locations[2], "one address, one location");
}

Test(convert, main_program_is_mapping_0_and_the_rest_sorted)
{
	add_module("/lib/z.so", 0x9000, 0xa000, 0);
	add_module("/lib/a.so", 0x5000, 0x6000, 0);
	add_module("/bin/main", 0x7000, 0x8000, 0);
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_mappings, 3);
	cr_assert_str_eq(p->mappings[0].file, "/bin/main");
	cr_assert_str_eq(p->mappings[1].file, "/lib/a.so");
	cr_assert_str_eq(p->mappings[2].file, "/lib/z.so");
	cr_assert_str_eq(p->mappings[0].build_id, "ab02");
	cr_assert_eq(p->mappings[2].start, 0x9000);
	cr_assert_eq(p->mappings[2].limit, 0xa000);
	cr_assert_eq(p->mappings[2].bias, 0x9000);
	cr_assert(!p->mappings[0].has_functions);
}

Test(convert, without_a_known_path_the_first_announced_is_main)
{
	free(s->exe);
	s->exe = strdup("");
	add_module("/x", 0x9000, 0xa000, 0);
	add_module("", 0x5000, 0x6000, 0);
	convert(CONVERT_NOW);
	cr_assert_str_eq(p->mappings[0].file, "/x");
}

/* The address looked up is the one inside the call: a return address just past a module's end is still its own. */
Test(convert, frames_find_their_module_by_half_open_range)
{
	const uint64_t frames[] = { 0x5000, 0x5001, 0x6000, 0x6001, 0x8001, ABI_FRAME_EXACT | 0x5000 };

	add_module("/bin/main", 0x5000, 0x6000, 0);
	add_module("/lib/b", 0x6000, 0x7000, 0);
	fixture_add_stack(s, frames, 6, 1, 1);
	convert(CONVERT_NOW);
	cr_assert_str_eq(file_of(0, 0), "none");
	cr_assert_str_eq(file_of(0, 1), "/bin/main");
	cr_assert_str_eq(file_of(0, 2), "/bin/main");
	cr_assert_str_eq(file_of(0, 3), "/lib/b");
	cr_assert_str_eq(file_of(0, 4), "none");
	cr_assert_str_eq(file_of(0, 5), "/bin/main");
}

Test(convert, a_reused_range_is_blamed_on_the_module_of_its_time)
{
	const uint64_t frame[] = { 0x5801 };

	add_module("/bin/main", 0x1000, 0x2000, 0);
	add_module("/lib/second", 0x5000, 0x6000, 4);
	add_module("/lib/first", 0x4000, 0x7000, 1);
	add_module("/lib/third", 0x5800, 0x5900, 9);
	for (uint32_t i = 0; i < 11; i++)
		fixture_add_stack(s, frame, 1, 1u << i, 1)->epoch = i;
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_samples, 3, "stacks of one module's time are one sample");
	cr_assert_str_eq(file_of(0, 0), "/lib/first", "also for epoch 0, which met it before a dlclose");
	cr_assert_str_eq(file_of(1, 0), "/lib/second");
	cr_assert_str_eq(file_of(2, 0), "/lib/third");
	cr_assert_eq(p->samples[0].values[PROFILE_ALLOC_OBJECTS], 0xf);
	cr_assert_eq(p->samples[1].values[PROFILE_ALLOC_OBJECTS], 0x1f0);
	cr_assert_eq(p->samples[2].values[PROFILE_ALLOC_OBJECTS], 0x600);
}

/* A brute-force search over all modules is the oracle. */
Test(convert, module_search_agrees_with_a_linear_one)
{
	unsigned state = 1;
	uint64_t frames[200];

	add_module("/bin/main", 1, 2, 0);
	for (int i = 0; i < 60; i++) {
		char path[32];
		uint64_t start;

		state = state * 1103515245 + 12345;
		start = 0x1000 + (state >> 8) % 0x4000;
		snprintf(path, sizeof(path), "/lib/%d", i);
		add_module(path, start, start + 1 + (state >> 16) % 0x800, (uint32_t)i);
	}
	for (int i = 0; i < 200; i++) {
		state = state * 1103515245 + 12345;
		frames[i] = ABI_FRAME_EXACT | (0x0f00 + (state >> 8) % 0x4a00);
	}
	fixture_add_stack(s, frames, 200, 1, 1)->epoch = 30;
	convert(CONVERT_NOW);
	for (int i = 0; i < 200; i++) {
		uint64_t a = frames[i] & ~ABI_FRAME_EXACT;
		const struct snapshot_module *best = NULL;

		for (size_t k = 0; k < s->n_modules; k++) {
			const struct snapshot_module *m = &s->modules[k];

			if (a < m->range.start || a >= m->range.end)
				continue;
			if (!best || (m->range.epoch <= 30 ? m->range.epoch > best->range.epoch
							   : best->range.epoch > m->range.epoch))
				best = m;
		}
		cr_assert_str_eq(file_of(0, (size_t)i), best ? best->path : "none", "address %#lx",
				 (unsigned long)a);
	}
}

Test(convert, equal_stacks_add_up_before_rounding)
{
	const uint64_t frames[] = { 0x1000, 0x2000 };

	for (int i = 0; i < 3; i++) {
		struct snapshot_stack *k = fixture_add_stack(s, frames, 2, 0, 0);

		k->flags = (uint32_t)i;
		k->values.alloc_count = OBJECTS(1) / 3;
		k->values.alloc_bytes = BYTES(100) + BYTES(1) / 3;
		k->values.var_alloc_bytes = 1.5;
	}
	fixture_add_stack(s, frames, 1, 1, 1);
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_samples, 2);
	cr_assert_eq(p->samples[0].values[PROFILE_ALLOC_OBJECTS], 1);
	cr_assert_eq(p->samples[0].values[PROFILE_ALLOC_SPACE], 301);
	cr_assert_float_eq(p->samples[0].variance[PROFILE_ALLOC_SPACE], 4.5, 1e-9);
}

Test(convert, in_use_is_what_was_not_freed_and_never_negative)
{
	const uint64_t a[] = { 0x1000 }, b[] = { 0x2000 };
	struct snapshot_values *v;

	fixture_add_stack(s, a, 1, 10, 1000);
	v = &fixture_add_stack(s, b, 1, 10, 1000)->values;
	v->free_count = OBJECTS(11);
	v->free_bytes = BYTES(1000);
	v->var_inuse_bytes = -1e-9;
	convert(CONVERT_NOW);
	cr_assert_eq(p->samples[0].values[PROFILE_INUSE_OBJECTS], 5);
	cr_assert_eq(p->samples[0].values[PROFILE_INUSE_SPACE], 500);
	cr_assert_float_eq(p->samples[0].variance[PROFILE_INUSE_SPACE], 500, 1e-9);
	cr_assert_eq(p->samples[1].values[PROFILE_INUSE_OBJECTS], 0);
	cr_assert_eq(p->samples[1].values[PROFILE_INUSE_SPACE], 0);
	cr_assert_eq(p->samples[1].variance[PROFILE_INUSE_SPACE], 0);
	cr_assert_eq(p->samples[1].values[PROFILE_ALLOC_SPACE], 1000);
}

Test(convert, sums_may_wrap_as_long_as_their_difference_fits)
{
	const uint64_t a[] = { 0x1000 };
	struct snapshot_values *v = &fixture_add_stack(s, a, 1, 1, 1)->values;

	v->alloc_bytes = BYTES(70) - 1000;
	v->free_bytes = (uint64_t)-1000;
	convert(CONVERT_NOW);
	cr_assert_eq(p->samples[0].values[PROFILE_INUSE_SPACE], 70);
}

Test(convert, peak_columns_come_from_the_peak)
{
	const uint64_t a[] = { 0x1000 };
	struct snapshot_values *v = &fixture_add_stack(s, a, 1, 10, 1000)->values;

	v->peak_count = OBJECTS(8);
	v->peak_bytes = BYTES(800);
	v->var_peak_bytes = 321;
	convert(CONVERT_PEAK);
	cr_assert_eq(p->samples[0].values[PROFILE_INUSE_OBJECTS], 8);
	cr_assert_eq(p->samples[0].values[PROFILE_INUSE_SPACE], 800);
	cr_assert_eq(p->samples[0].values[PROFILE_ALLOC_SPACE], 1000);
	cr_assert_float_eq(p->samples[0].variance[PROFILE_INUSE_SPACE], 321, 1e-9);
	cr_assert_float_eq(p->samples[0].variance[PROFILE_ALLOC_SPACE], 1000, 1e-9);
}

Test(convert, samples_of_nothing_vanish)
{
	const uint64_t a[] = { 0x1000 }, b[] = { 0x2000 };

	fixture_add_stack(s, a, 1, 0, 0);
	fixture_add_stack(s, b, 1, 1, 1);
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_samples, 1);
	cr_assert_eq(location(0, 0)->address, 0x1fff);
}

Test(convert, a_stack_that_was_not_recorded_has_a_name)
{
	fixture_add_stack(s, NULL, 0, 1, 1);
	fixture_add_stack(s, NULL, 0, 2, 2);
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_samples, 1);
	cr_assert_eq(p->samples[0].n_locations, 1);
	cr_assert_eq(location(0, 0)->n_lines, 1);
	cr_assert_str_eq(p->functions[location(0, 0)->lines[0].function].name, CONVERT_NO_STACK);
	cr_assert_eq(location(0, 0)->mapping, PROFILE_NONE);
}

static void add_thread_stack(uint64_t leaf, uint64_t tid, uint64_t count)
{
	const uint64_t frames[] = { leaf, 0x2001, tid };

	fixture_add_stack(s, frames, 3, count, count)->flags = ABI_STACK_THREAD;
}

static void check_thread(size_t sample, const char *name, int64_t tid, int64_t objects)
{
	const struct profile_sample *k = &p->samples[sample];

	cr_assert_eq(k->n_locations, 2, "the thread is no frame");
	cr_assert_eq(k->values[PROFILE_ALLOC_OBJECTS], objects);
	cr_assert_eq(k->n_labels, 2);
	cr_assert_str_eq(k->labels[0].key, CONVERT_THREAD_LABEL);
	cr_assert_str_eq(k->labels[0].str, name);
	cr_assert_str_eq(k->labels[1].key, CONVERT_TID_LABEL);
	cr_assert_null(k->labels[1].str);
	cr_assert_eq(k->labels[1].num, tid);
}

Test(convert, stacks_by_thread_become_samples_with_labels)
{
	const uint64_t plain[] = { 0x1001, 0x2001 };

	s->threads = calloc(2, sizeof(*s->threads));
	s->threads[s->n_threads++] = (struct snapshot_thread){ 4000000000, strdup("late;\n") };
	s->threads[s->n_threads++] = (struct snapshot_thread){ 7, strdup("early") };
	add_thread_stack(0x1001, 7, 1);
	add_thread_stack(0x1001, 4000000000, 2);
	add_thread_stack(0x1001, 8, 4);
	fixture_add_stack(s, plain, 2, 8, 8);
	add_thread_stack(0x1001, 7, 16);
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_samples, 4);
	check_thread(0, "early", 7, 17);
	check_thread(1, "late;\n", 4000000000, 2);
	check_thread(2, "thread 8", 8, 4);
	cr_assert_eq(p->samples[3].n_labels, 0);
	cr_assert_eq(p->samples[3].values[PROFILE_ALLOC_OBJECTS], 8);
}

Test(convert, facts_about_the_run_go_along)
{
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_sample_types, PROFILE_HEAP_TYPES);
	cr_assert_str_eq(p->sample_types[PROFILE_INUSE_SPACE].type, "inuse_space");
	cr_assert_str_eq(p->sample_types[PROFILE_INUSE_SPACE].unit, "bytes");
	cr_assert_str_eq(p->sample_types[PROFILE_ALLOC_OBJECTS].unit, "count");
	cr_assert_eq(profile_default_type(p), PROFILE_INUSE_SPACE);
	cr_assert_str_eq(p->period_type.type, "space");
	cr_assert_str_eq(p->period_type.unit, "bytes");
	cr_assert_eq(p->period, 524288);
	cr_assert_eq(p->time_nanos, s->wall_ns);
	cr_assert_eq(p->duration_nanos, (int64_t)s->elapsed_ns);
}

static void add_cell(struct histogram *h, unsigned class, unsigned columns, unsigned column, uint64_t v)
{
	histogram_put(h, class, columns)[column] += v;
}

Test(convert, details_of_equal_stacks_add_up)
{
	const uint64_t frames[] = { 0x1000 };
	const struct profile_extra *e;

	for (unsigned i = 1; i <= 2; i++) {
		struct snapshot_stack *k = fixture_add_stack(s, frames, 1, 2 * i, 200 * i); /* half of it freed */

		k->detail.temporary_count = OBJECTS(i) + 1;
		k->detail.temporary_bytes = BYTES(10 * i);
		k->detail.age_ns = 1000 * i;
		k->detail.undated = i;
		add_cell(&k->detail.lifetimes, 5, LIFETIME_COLUMNS, 0, OBJECTS(i));
		add_cell(&k->detail.lifetimes, 10 * i, LIFETIME_COLUMNS, 0, OBJECTS(7));
		add_cell(&k->detail.sizes, 8 - i, SIZE_COLUMNS, SIZE_ALLOCATED, OBJECTS(3));
		add_cell(&k->detail.sizes, 7, SIZE_COLUMNS, SIZE_IN_USE, -OBJECTS(1));
	}
	s->stacks[1].values.var_peak_bytes = 5;
	convert(CONVERT_NOW);
	cr_assert_eq(p->n_samples, 1);
	e = p->samples[0].extra;
	cr_assert_eq(e->temporary_count, OBJECTS(3) + 2);
	cr_assert_eq(e->temporary_bytes, BYTES(30));
	cr_assert_eq(e->undated, 3);
	cr_assert_eq(e->allocs, 6);
	cr_assert_eq(e->frees, 3);
	cr_assert_eq(e->in_use_count, OBJECTS(3));
	cr_assert_eq(e->in_use_bytes, BYTES(300));
	cr_assert_eq(e->peak_bytes, BYTES(600));
	cr_assert_eq(e->var_in_use_bytes, 300);
	cr_assert_eq(e->var_peak_bytes, 5);
	cr_assert_float_eq(profile_extra_age(e), (1000 * 1 + 2000 * 2) / 3.0, 1e-6, "weighted by what is in use");
	cr_assert_eq(e->lifetimes.classes, 1u << 5 | 1u << 10 | 1u << 20);
	cr_assert_eq(e->lifetimes.cells[0], OBJECTS(3));
	cr_assert_eq(e->lifetimes.cells[2], OBJECTS(7));
	cr_assert_eq(e->sizes.classes, 1u << 6 | 1u << 7);
	cr_assert_eq(histogram_total(&e->sizes, SIZE_COLUMNS, SIZE_ALLOCATED), OBJECTS(6));
	cr_assert_eq(histogram_total(&e->sizes, SIZE_COLUMNS, SIZE_IN_USE), -OBJECTS(2));
	cr_assert_eq(s->stacks[0].detail.lifetimes.cells[0], OBJECTS(1), "the snapshot's own are left alone");
}

Test(convert, the_snapshot_behind_a_profile_goes_along)
{
	s->series.n_points = 2;
	s->series.interval_ns = 10;
	s->series.points = calloc(2, sizeof(*s->series.points));
	s->series.points[1].bytes_max = 77;
	convert(CONVERT_PEAK);
	free(s->cmdline);
	s->cmdline = NULL;
	s->series.points[1].bytes_max = 0;
	cr_assert_str_eq(p->origin->cmdline, "fixture --with arguments");
	cr_assert_eq(p->origin->series.points[1].bytes_max, 77);
	cr_assert_eq(p->origin->n_stacks, 0);
	cr_assert_eq(p->origin->seq, 3);
}

/* pprof prints comments above its reports unless they begin with '#'. */
Test(convert, only_losses_are_comments_that_show)
{
	convert(CONVERT_NOW);
	cr_assert_gt(p->n_comments, 0);
	for (size_t i = 0; i < p->n_comments; i++)
		cr_assert_eq(p->comments[i][0], '#');
	profile_free(p);
	s->audit.untracked = 12;
	convert(CONVERT_NOW);
	cr_assert_not_null(strstr(p->comments[0], "12 sampled allocations were not recorded"));
}
