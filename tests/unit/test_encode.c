/* tests/unit/test_encode.c - the text formats: our own readers read them, columns stand as Go sets them, refusals.
 */
#include "collectord/profile/pprof_legacy.h"
#include "collectord/profile/snapshot.h"
#include "tests/unit/encode_fixture.h"

TestSuite(encode, .init = encode_setup, .fini = encode_teardown);

static const struct memstats *stats; /* for go_text() */

static int go_text(const struct profile *q, FILE *out, struct fault *f)
{
	return gotext_encode(q, stats, out, f);
}

/* What was written, read again, sample for sample: sorted by bytes in use, so the heaviest come first. */
static void check_reads_back(void)
{
	struct profile *q = NULL;
	struct fault f = { "" };

	cr_assert_eq(legacy_decode(text, text_len, &q, &f), 0, "%s", f.text);
	cr_assert_eq(q->n_samples, p->n_samples);
	for (size_t i = 0; i < q->n_samples; i++) {
		const size_t n = ARRAY_SIZE(hostile_names);
		const struct profile_sample *a = &q->samples[i], *b = &p->samples[i < n ? n - 1 - i : i];

		cr_assert_arr_eq(a->values, b->values, 4 * sizeof(*a->values), "sample %zu", i);
		cr_assert_eq(a->n_locations, b->n_locations);
		for (uint32_t k = 0; k < a->n_locations; k++)
			cr_assert_eq(q->locations[a->locations[k]].address, p->locations[b->locations[k]].address);
	}
	profile_free(q);
}

Test(encode, heap_text_reads_back)
{
	encoded(heaptext_encode);
	cr_assert(
		BEGINS(text, "heap profile: 172: 17101 [344: 34202] @ heapprofile\n18: 1800 [36: 3600] @ 0x1001 "),
		"%.100s", text);
	check_reads_back();
}

Test(encode, go_text_reads_back_whatever_names_hold)
{
	encoded(go_text);
	check_plain("\n\t");
	cr_assert(BEGINS(text, "heap profile: 172: 17101 [344: 34202] @ heap/2\n"), "%.60s", text);
	check_reads_back();
}

/* A path with a newline would be two lines of the map: as in /proc/PID/maps it is \012. */
Test(encode, a_mapping_is_one_line)
{
	const char *map = strstr(encoded(heaptext_encode), "\nMAPPED_LIBRARIES:\n");

	cr_assert_not_null(map);
	cr_assert_str_eq(map, "\nMAPPED_LIBRARIES:\n"
			      "00001000-00009000 r-xp 00000000 00:00 0 /opt/a b\\012\xff;\"\n"
			      "00010000-00020000 r-xp 00000000 00:00 0 /opt/lib.so.1\n");
}

/* Widths by hand after text/tabwriter: as wide as the longest and a space, up to a multiple of 8. */
Test(encode, frames_stand_in_columns)
{
	uint32_t stack[4];
	const char *record;

	profile_free(p);
	p = profile_new();
	add_heap_types();
	profile_add_mapping(p, &(struct profile_mapping){ .file = "/lib/x.so", .build_id = "" });
	stack[0] = hostile_location(0x10, "short");
	stack[1] = hostile_location(0x7f0000000020, "caf\xc3\xa9_12");
	stack[2] = profile_add_location(p, 0, 0x30);
	stack[3] = hostile_location(0x40, "sixteen_letters_");
	p->functions[1].filename = "";
	add_sample(stack, 4, 1, 1);
	record = strstr(encoded(go_text), "#\t");
	cr_assert_not_null(record);
	cr_assert(BEGINS(record, "#\t0x10\t\tshort\tshort:7\n"
				 "#\t0x7f0000000020\tcaf\xc3\xa9_12\t/lib/x.so:7\n"
				 "#\t0x30\n"
				 "#\t0x40\tsixteen_letters_\tsixteen_letters_:7\n\n"),
		  "%s", record);
}

/* pprof refuses "0: 64", the perl tools skip a record without an address. */
Test(encode, records_that_readers_refuse_are_not_written)
{
	struct profile_sample *s;
	uint32_t nothing = 0;
	struct profile *q = NULL;

	profile_free(p);
	p = profile_new();
	add_heap_types();
	s = add_sample(&nothing, 0, 0, 64);
	s->values[0] = 3;
	add_sample(&nothing, 0, 0, 0);
	add_sample(&nothing, 0, 5, 0);
	encoded(heaptext_encode);
	cr_assert(BEGINS(text, "heap profile: 6: 64 [13: 128] @ heapprofile\n"
			       "1: 64 [3: 128] @ 0x1\n5: 0 [10: 0] @ 0x1\n\n"),
		  "%s", text);
	cr_assert_eq(legacy_decode(text, text_len, &q, NULL), 0);
	profile_free(q);
}

/* `n` times `c`; malloc'ed. */
static char *many(const char *c, size_t n)
{
	char *ret = calloc(n + 1, strlen(c));

	for (size_t i = 0; i < n; i++)
		memcpy(ret + i * strlen(c), c, strlen(c));
	return ret;
}

/* pprof reads no line of 64 KiB, whatever is too long in it. */
Test(encode, no_line_is_too_long)
{
	enum { DEPTH = 5000 };
	uint32_t *stack = calloc(DEPTH, sizeof(*stack));
	static const encoder both[] = { go_text, heaptext_encode };
	char *path = many("\n", LONG_NAME), *name = many("\xc3\xa9", LONG_NAME);

	profile_add_mapping(p, &(struct profile_mapping){ .file = path, .build_id = "" });
	for (uint32_t i = 0; i < DEPTH; i++)
		stack[i] = profile_add_location(p, 2, 0xffffffff00000000 + 3 * i);
	stack[0] = hostile_location(0x9000, name);
	add_sample(stack, DEPTH, 1, 1);
	for (size_t i = 0; i < ARRAY_SIZE(both); i++)
		for (const char *line = encoded(both[i]); *line; line += strcspn(line, "\n") + 1)
			cr_assert_lt(strcspn(line, "\n"), 65536, "%.100s", line);
	encoded(go_text);
	check_plain("\n\t");
	cr_assert_not_null(strstr(text, "\xc3\xa9...\t"));
	free(path);
	free(name);
	free(stack);
}

Test(encode, sums_that_do_not_fit_are_the_largest_number)
{
	p->samples[0].values[3] = p->samples[1].values[3] = INT64_MAX;
	encoded(heaptext_encode);
	cr_assert(BEGINS(text, "heap profile: 172: 9223372036854775807 ["), "%.60s", text);
}

static void check_refused(int r, const char *part)
{
	cr_assert_eq(r, -EINVAL);
	cr_assert_not_null(strstr(fault.text, part), "%s", fault.text);
	fault.text[0] = '\0';
}

Test(encode, what_a_format_cannot_say_is_refused)
{
	FILE *out = fopen("/dev/null", "w");

	p->samples[3].values[1] = -1;
	check_refused(gotext_encode(p, NULL, out, &fault), "below 0");
	check_refused(heaptext_encode(p, out, &fault), "below 0");
	check_refused(dhat_encode(p, out, &fault), "below 0");
	check_refused(speedscope_encode(p, out, &fault), "below 0");
	cr_assert_eq(csv_encode(p, out, &fault), 0);
	p->samples[3].values[1] = 1;
	p->sample_types[3].type = "delay";
	check_refused(gotext_encode(p, NULL, out, &fault), "not a heap profile");
	check_refused(heaptext_encode(p, out, &fault), "not a heap profile");
	check_refused(dhat_encode(p, out, &fault), "not a heap profile");
	cr_assert_eq(speedscope_encode(p, out, &fault), 0);
	cr_assert_eq(csv_encode(p, out, &fault), 0);
	fclose(out);
}

Test(encode, a_profile_without_samples_is_one_in_every_format)
{
	profile_free(p);
	p = profile_new();
	add_heap_types();
	cr_assert_str_eq(encoded(heaptext_encode),
			 "heap profile: 0: 0 [0: 0] @ heapprofile\n\nMAPPED_LIBRARIES:\n");
	cr_assert_not_null(strstr(encoded(go_text), "\n# MaxRSS = 0\n"));
	encoded(speedscope_encode);
	encoded(dhat_encode);
	encoded(csv_encode);
}

Test(encode, two_sample_types_of_old_profiles_are_enough)
{
	struct profile *q = NULL;
	static const char old[] = "heap profile: 3: 30 [3: 30] @ heapprofile\n3: 30 [3: 30] @ 0x10\n";

	cr_assert_eq(legacy_decode(old, sizeof(old) - 1, &q, NULL), 0);
	cr_assert_eq(q->n_sample_types, 2);
	cr_assert(!strncmp(encoded_of(q, heaptext_encode), old, sizeof(old) - 1), "%s", text);
	profile_free(q);
}

/* --- MemStats ------------------------------------------------------------------------------------------- */

static uint64_t stat_of(const char *name)
{
	char line[64];
	const char *at;

	snprintf(line, sizeof(line), "\n# %s = ", name);
	at = strstr(text, line);
	cr_assert_not_null(at, "no %s", name);
	return strtoull(at + strlen(line), NULL, 10);
}

Test(encode, memstats_are_sums_of_the_records_or_what_the_caller_says)
{
	const struct memstats m = { .alloc = 1,
				    .total_alloc = 2,
				    .mallocs = 3,
				    .frees = 4,
				    .heap_objects = 5,
				    .sys = 6,
				    .heap_sys = 7,
				    .heap_idle = 8,
				    .heap_released = 9,
				    .max_rss = 12,
				    .anonymous = 1000,
				    .swapped = 15,
				    .other_sys = 13,
				    .has_resident = true,
				    .private_resident = 16,
				    .proportional = 17,
				    .is_exact = true,
				    .stack_inuse = 10,
				    .stack_sys = 11 };
	static const char *const names[] = { "Alloc", "TotalAlloc", "Mallocs",  "Frees",       "HeapObjects",
					     "Sys",   "HeapSys",    "HeapIdle", "HeapReleased" };

	encoded(go_text);
	cr_assert_eq(stat_of("Alloc"), (uint64_t)total(3));
	cr_assert_eq(stat_of("TotalAlloc"), (uint64_t)total(1));
	cr_assert_eq(stat_of("Mallocs"), (uint64_t)total(0));
	cr_assert_eq(stat_of("Frees"), (uint64_t)(total(0) - total(2)));
	cr_assert_eq(stat_of("HeapObjects"), (uint64_t)total(2));
	cr_assert_eq(stat_of("NextGC"), 0);
	cr_assert_not_null(strstr(text, " are sums of the records\n"));
	stats = &m;
	encoded(go_text);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cr_assert_eq(stat_of(names[i]), i + 1, "%s", names[i]);
	cr_assert_eq(stat_of("HeapAlloc"), 1);
	cr_assert_eq(stat_of("MaxRSS"), 12);
	cr_assert_not_null(strstr(text, "\n# Stack = 10 / 11\n"));
	cr_assert_not_null(strstr(text, " are exact counts\n"));
	cr_assert_eq(stat_of("OtherSys"), 13);
	cr_assert_not_null(
		strstr(text, " anonymous memory: 1000 bytes, 15 of them swapped; objects in use explain 0.1 %\n"));
	cr_assert_not_null(strstr(text, " 16 bytes of the process alone, 17 with its share"));
}

Test(encode, memstats_say_what_kind_of_number_each_is)
{
	struct memstats m = { .is_counted = true,
			      .uncounted = 1048576,
			      .has_errors = true,
			      .error_alloc = 12,
			      .error_total_alloc = 34,
			      .why_unknown = "there is a reason" };

	stats = &m;
	encoded(go_text);
	cr_assert_not_null(strstr(text, "\n# heaptap: Alloc (+- 12), Mallocs, Frees, HeapObjects are estimates"));
	cr_assert_not_null(strstr(text,
				  "\n# heaptap: TotalAlloc is a count; running threads may have allocated 1048576 "
				  "bytes more\n"));
	cr_assert_not_null(strstr(text, " MaxRSS are not known: there is a reason\n"));
	cr_assert_null(strstr(text, "anonymous"));
	m.why_unknown = NULL;
	m.alloc = 11;
	m.anonymous = 10;
	encoded(go_text);
	cr_assert_not_null(strstr(text, " objects in use are more: what was never touched takes none\n"));
	m.uncounted = 0;
	encoded(go_text);
	cr_assert_not_null(strstr(text, "\n# heaptap: TotalAlloc is an exact count\n"));
	m.is_counted = false;
	encoded(go_text);
	cr_assert_not_null(strstr(text, " TotalAlloc (+- 34), Mallocs,"));
}
