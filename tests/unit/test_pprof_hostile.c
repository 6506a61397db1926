/* tests/unit/test_pprof_hostile.c - files that are no profiles, broken ones, bombs: refused, within bounds. */
#include <errno.h>
#include <zlib.h>

#include "collectord/profile/pprof_inflate.h"
#include "tests/unit/pprof_fixture.h"

#define CHECK_FAULT(bytes, n, part)                                                     \
	do {                                                                            \
		struct fault f_ = { "" };                                               \
		struct profile *p_ = NULL;                                              \
		cr_assert_eq(pprof_decode(bytes, n, &p_, &f_), -EINVAL);                \
		cr_assert_null(p_);                                                     \
		cr_assert(strstr(f_.text, part), "\"%s\" lacks \"%s\"", f_.text, part); \
	} while (0)

/* Fields by hand: tag, length, content.  "2\0" is the empty string_table entry. */
Test(pprof_hostile, malformed_files_are_refused_with_a_reason)
{
	CHECK_FAULT("", 0, "empty");
	CHECK_FAULT("hello world", 11, "not a pprof profile");
	CHECK_FAULT("\x1f\x8b\x08\0\0\0\0\0\0\3", 10, "truncated");
	CHECK_FAULT("\x1f\x8b\x08\0\0\0\0\0\0\3\xff\xff\xff", 13, "damaged");
	CHECK_FAULT("\x38\x00", 2, "first string");                /* no string table */
	CHECK_FAULT("\x32\x01x", 3, "first string");               /* entry 0 is "x" */
	CHECK_FAULT("\x32\0\x38\x05", 4, "no string 5");           /* drop_frames = 5 */
	CHECK_FAULT("\x32\0\x12\x03\x12\x01\x07", 7, "no sample"); /* value 7 of no type */
	CHECK_FAULT("\x32\0\x0a\0\x12\0", 6, "number of values");  /* a type, a sample without values */
	CHECK_FAULT("\x32\0\x0a\0\x12\x06\x0a\x01\x09\x12\x01\x01", 12, "no location 9");
	CHECK_FAULT("\x32\0\x1a\0", 4, "mapping id 0");
	CHECK_FAULT("\x32\0\x1a\x02\x08\x01\x1a\x02\x08\x01", 10, "used twice: 1");
	CHECK_FAULT("\x32\0\x22\0", 4, "location id 0");
	CHECK_FAULT("\x32\0\x2a\0", 4, "function id 0");
	CHECK_FAULT("\x32\0\x22\x06\x08\x01\x22\x02\x08\x03", 10, "names no function");
}

Test(pprof_hostile, a_mapping_id_that_names_nothing_is_none)
{
	struct profile *p = NULL;

	cr_assert_eq(pprof_decode("\x32\0\x22\x04\x08\x01\x10\x09", 8, &p, NULL), 0);
	cr_assert_eq(p->locations[0].mapping, PROFILE_NONE);
	profile_free(p);
}

Test(pprof_hostile, no_truncation_or_mutation_crashes)
{
	struct profile *p = rich_profile(), *q;
	unsigned state = 99, accepted = 0;
	void *buf, *plain;
	size_t n, len;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	cr_assert_eq(gunzip(buf, n, 1 << 30, &plain, &len, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t *cut = malloc(i + 1);

		memcpy(cut, buf, i);
		cr_assert_eq(pprof_decode(cut, i, &q, NULL), -EINVAL, "%zu of %zu bytes", i, n);
		free(cut);
	}
	for (int round = 0; round < 20000; round++) {
		uint8_t *b = malloc(len);

		memcpy(b, plain, len);
		for (int k = 0; k <= round % 3; k++) {
			state = state * 1103515245 + 12345;
			b[(state >> 8) % len] = (uint8_t)(state >> 24);
		}
		if (!pprof_decode(b, len - (size_t)round % 2, &q, NULL)) {
			accepted++;
			profile_free(q);
		}
		free(b);
	}
	cr_assert_gt(accepted, 0, "some mutations are legal: the decoder was really reached");
	free(plain);
	free(buf);
	profile_free(p);
}

/* 2 bytes each that take 128 in memory: 1 MiB would become 64. */
Test(pprof_hostile, a_file_of_empty_messages_ends_at_a_budget)
{
	enum { BOMB = 1 << 20 };
	uint8_t *b = malloc(BOMB);

	for (size_t i = 0; i < BOMB; i += 2) {
		b[i] = 0x12;
		b[i + 1] = 0;
	}
	CHECK_FAULT(b, BOMB, "mostly empty messages");
	free(b);
}

Test(pprof_hostile, inflating_stops_at_the_limit)
{
	enum { ZEROS = 10 << 20 };
	uint8_t *zeros = calloc(1, ZEROS), *packed = malloc(ZEROS);
	z_stream z = { .next_in = zeros, .avail_in = ZEROS, .next_out = packed, .avail_out = ZEROS };
	struct fault f = { "" };
	void *out;
	size_t n;

	cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	cr_assert_eq(gunzip(packed, z.total_out, ZEROS, &out, &n, &f), 0, "%s", f.text);
	cr_assert_eq(n, ZEROS);
	free(out);
	cr_assert_eq(gunzip(packed, z.total_out, ZEROS - 1, &out, &n, &f), -EINVAL);
	cr_assert_not_null(strstr(f.text, "too large"));
	deflateEnd(&z);
	free(zeros);
	free(packed);
}
