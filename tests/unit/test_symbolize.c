/* tests/unit/test_symbolize.c - names and lines of this very program, and when there must be none. */
#include "collectord/profile/convert.h"
#include "collectord/profile/symbolize_foreign.h"
#include "tests/unit/snapshot_fixture.h"
#include "tests/unit/symbol_fixture.h"

static struct snapshot *s;
static int leaf_line, inlined_line, outer_line;

static void teardown(void)
{
	snapshot_free(s);
}

TestSuite(symbolize, .fini = teardown);

NOINLINE int symbol_test_leaf(int x);
NOINLINE int symbol_test_outer(int x);

NOINLINE int symbol_test_leaf(int x)
{
	leaf_line = __LINE__ + 1;
	fixture_add_here(s, 1, 100);
	return x + 1; /* keeps the call above from being the last thing done */
}

static inline __attribute__((always_inline)) int symbol_test_inlined(int x)
{
	inlined_line = __LINE__ + 1;
	return symbol_test_leaf(x) * 3;
}

NOINLINE int symbol_test_outer(int x)
{
	outer_line = __LINE__ + 1;
	return symbol_test_inlined(x) + 1;
}

static struct profile *self_profile(void)
{
	struct profile *p = NULL;

	snapshot_free(s);
	s = fixture_snapshot();
	symbol_test_outer(1);
	s->wall_ns = INT64_MAX;
	cr_assert_eq(profile_from_snapshot(s, CONVERT_NOW, &p, NULL), 0);
	return p;
}

static void check_line(const struct profile *p, const struct profile_location *l, uint32_t i, const char *name,
		       int line)
{
	const struct profile_function *f = function_of(p, l, i);
	char *real = realpath(__FILE__, NULL);

	cr_assert_str_eq(f->name, name);
	cr_assert_str_eq(f->system_name, name);
	cr_assert_eq(f->start_line, 0);
	cr_assert_eq(l->lines[i].line, line, "%s: line %ld, not %d", name, (long)l->lines[i].line, line);
	if (real)
		cr_assert_str_eq(f->filename, real);
	free(real);
}

Test(symbolize, names_this_program_innermost_first)
{
	struct profile *p = self_profile();
	struct symbolize_stats st;
	const struct profile_location *l;

	cr_assert_eq(profile_symbolize(p, NULL, &st), 0);
	l = &p->locations[p->samples[0].locations[0]];
	cr_assert_eq(l->n_lines, 1);
	check_line(p, l, 0, "symbol_test_leaf", leaf_line);
	l = &p->locations[p->samples[0].locations[1]];
	cr_assert_eq(l->n_lines, 2);
	check_line(p, l, 0, "symbol_test_inlined", inlined_line);
	check_line(p, l, 1, "symbol_test_outer", outer_line);
	cr_assert(p->mappings[0].has_functions && p->mappings[0].has_filenames);
	cr_assert(p->mappings[0].has_line_numbers && p->mappings[0].has_inline_frames);
	cr_assert_geq(st.named, 3);
	cr_assert_geq(st.with_lines, 3);
	cr_assert_eq(st.addresses, p->n_locations);
	cr_assert_eq(st.modules_missing + st.modules_mismatched, 0);
	profile_free(p);
}

static void check_unnamed(struct profile *p, size_t missing, size_t mismatched)
{
	struct symbolize_stats st;
	const char *file = p->mappings[0].file;

	cr_assert_eq(profile_symbolize(p, NULL, &st), 0);
	for (size_t i = 0; i < p->n_locations; i++)
		if (p->locations[i].mapping == 0)
			cr_assert_eq(p->locations[i].n_lines, 0);
	cr_assert(!p->mappings[0].has_functions && !p->mappings[0].has_line_numbers);
	cr_assert_eq(st.modules_missing, missing);
	cr_assert_eq(st.modules_mismatched, mismatched);
	if (missing + mismatched)
		cr_assert_str_eq(st.unnamed, file);
	else
		cr_assert_null(st.unnamed);
	profile_free(p);
}

Test(symbolize, a_file_with_another_build_id_names_nothing)
{
	struct profile *p = self_profile();
	char id[2 * ABI_BUILD_ID_MAX + 3];

	cr_assert_gt(strlen(p->mappings[0].build_id), 16, "this test program needs a build-id");
	snprintf(id, sizeof(id), "%s", p->mappings[0].build_id);
	id[5] ^= 1;
	p->mappings[0].build_id = profile_string(p, id);
	check_unnamed(p, 0, 1);
	p = self_profile();
	id[5] ^= 1;
	strcat(id, "00"); /* the file's is only its beginning */
	p->mappings[0].build_id = profile_string(p, id);
	check_unnamed(p, 0, 1);
	p = self_profile();
	id[strlen(id) - 4] = '\0'; /* it is only the beginning of the file's */
	p->mappings[0].build_id = profile_string(p, id);
	check_unnamed(p, 0, 1);
	p = self_profile();
	p->mappings[0].build_id = ""; /* the program that ran had none: this file is not it */
	check_unnamed(p, 0, 1);
}

Test(symbolize, a_file_that_is_gone_or_none_names_nothing)
{
	static const char *const files[] = { "/nonexistent/program", "/dev/zero", "/", "/etc/passwd" };
	struct profile *p;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		p = self_profile();
		p->mappings[0].file = files[i];
		check_unnamed(p, 1, 0);
	}
	p = self_profile();
	p->mappings[0].file = "[vdso]";
	check_unnamed(p, 0, 0);
}

Test(symbolize, names_already_there_stay)
{
	struct profile *p = self_profile();
	struct symbolize_stats st;
	uint32_t location = p->samples[0].locations[0];
	struct profile_line line = { profile_add_function(p, "given", "given", "", 0), 1 };

	p->locations[location].lines = &line;
	p->locations[location].n_lines = 1;
	cr_assert_eq(profile_symbolize(p, NULL, &st), 0);
	cr_assert_str_eq(function_of(p, &p->locations[location], 0)->name, "given");
	cr_assert_eq(st.addresses, p->n_locations - 1);
	profile_free(p);
}

static void note_progress(size_t done, size_t all, void *arg)
{
	size_t *last = arg;

	cr_assert_gt(done, *last);
	cr_assert_leq(done, all);
	*last = done;
}

/* This program as other tools say where it is: without a bias. */
static struct profile *foreign_profile(const char *build_id, bool is_named)
{
	struct profile *self = self_profile(), *p = profile_new();
	const struct profile_mapping *m = &self->mappings[0];
	const struct profile_mapping text = { .start = m->start,
					      .limit = m->limit,
					      .file = m->file,
					      .build_id = build_id,
					      .has_functions = is_named };

	profile_add_mapping(p, &text);
	for (size_t i = 0; i < self->n_locations; i++)
		if (self->locations[i].mapping == 0)
			profile_add_location(p, 0, self->locations[i].address);
	profile_free(self);
	return p;
}

static size_t named_in(struct profile *p, const char *function)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_locations; i++)
		for (uint32_t k = 0; k < p->locations[i].n_lines; k++)
			n += !strcmp(function_of(p, &p->locations[i], k)->name, function);
	return n;
}

Test(symbolize, profiles_of_other_tools_get_names_from_the_files_they_name)
{
	struct profile *p = foreign_profile("", false);
	const char *file = p->mappings[0].file;

	cr_assert_eq(profile_symbolize_foreign(p, &(struct symbolize_options){ 0 }, NULL), 0);
	cr_assert_geq(named_in(p, "symbol_test_inlined"), 1);
	cr_assert_str_eq(p->mappings[0].build_id, "", "lent, not given");
	cr_assert_str_eq(p->mappings[0].file, file);
	profile_free(p);
}

Test(symbolize, names_that_other_tools_gave_and_other_files_are_let_be)
{
	struct profile *p = foreign_profile("", true);

	cr_assert_eq(profile_symbolize_foreign(p, &(struct symbolize_options){ 0 }, NULL), 0);
	cr_assert_eq(named_in(p, "symbol_test_inlined"), 0, "it said that it has names");
	profile_free(p);
	p = foreign_profile("0123456789abcdef0123456789abcdef01234567", false);
	cr_assert_eq(profile_symbolize_foreign(p, &(struct symbolize_options){ 0 }, NULL), 0);
	cr_assert_eq(named_in(p, "symbol_test_inlined"), 0, "another build");
	cr_assert(!strstr(p->mappings[0].file, "replaced"), "%s", p->mappings[0].file);
	profile_free(p);
	p = foreign_profile("", false);
	p->time_nanos = 1;
	cr_assert_eq(profile_symbolize_foreign(p, &(struct symbolize_options){ 0 }, NULL), 0);
	cr_assert_eq(named_in(p, "symbol_test_inlined"), 0, "the file is younger than the profile");
	profile_free(p);
}

Test(symbolize, progress_reaches_the_end)
{
	struct profile *p = self_profile();
	size_t last = 0, with_mapping = 0;
	struct symbolize_options o = { .progress = note_progress, .arg = &last };

	for (uint64_t i = 0; i < 1000; i++)
		profile_add_location(p, 0, p->mappings[0].start + i);
	for (size_t i = 0; i < p->n_locations; i++)
		with_mapping += p->locations[i].mapping != PROFILE_NONE;
	cr_assert_eq(profile_symbolize(p, &o, NULL), 0);
	cr_assert_eq(last, with_mapping);
	profile_free(p);
}
