/* tests/unit/test_snapshot_hostile.c - no byte of a .heaptap file is trusted: cut, flipped, mutated, absurd. */
#include <math.h>

#include "collectord/profile/unpack.h"
#include "tests/unit/snapshot_file_fixture.h"

TestSuite(snapshot_hostile, .init = snapshot_file_setup, .fini = snapshot_file_teardown);

/* Each prefix is copied to a block of its own, so that AddressSanitizer sees any read past it. */
Test(snapshot_hostile, every_truncation_is_refused_and_called_so)
{
	CHECK_FAULT(file, 0, "empty");
	for (size_t n = 1; n < file_len; n++) {
		uint8_t *cut = malloc(n);

		memcpy(cut, file, n);
		CHECK_FAULT(cut, n, "truncated");
		free(cut);
	}
	cr_assert_eq(decode(file, file_len, NULL), 0);
}

Test(snapshot_hostile, trailing_bytes_are_refused_and_counted)
{
	uint8_t *longer = calloc(1, file_len + 300);

	memcpy(longer, file, file_len);
	CHECK_FAULT(longer, file_len + 1, "1 extra byte");
	CHECK_FAULT(longer, file_len + 300, "300 extra bytes");
	longer[file_len / 2] ^= 1;
	CHECK_FAULT(longer, file_len + 300, "truncated");
	free(longer);
}

Test(snapshot_hostile, every_flipped_bit_is_noticed)
{
	for (size_t i = 0; i < file_len; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		file[i] ^= bit;
		/* The map's count is unused before the checksum is known to hold. */
		cr_assert_eq(decode(file, file_len, NULL), -EINVAL, "byte %zu", i);
		file[i] ^= bit;
	}
}

Test(snapshot_hostile, mutations_with_a_right_checksum_never_crash_or_leak)
{
	unsigned state = 12345, accepted = 0;

	for (int round = 0; round < 60000; round++) {
		uint8_t *b = malloc(file_len);

		memcpy(b, file, file_len);
		for (int k = 0; k <= round % 4; k++) {
			state = state * 1103515245 + 12345;
			b[(state >> 8) % (file_len - 5)] = (uint8_t)(round % 3 ? state >> 24 : 0xc0 | state >> 27);
		}
		reseal(b, file_len);
		accepted += decode(b, file_len, NULL) == 0;
		free(b);
	}
	cr_assert_gt(accepted, 0, "mutated values alone are legal: the decoder was really reached");
}

/* `extra` goes between the last table and the checksum, as a newer minor version would put it. */
static uint8_t *with_extra(const void *extra, size_t n, size_t *ret_len)
{
	const size_t tail = 1 + 5 + 5; /* "crc32" and its value */
	uint8_t *b = malloc(file_len + n);

	memcpy(b, file, file_len - tail);
	memcpy(b + file_len - tail, extra, n);
	memcpy(b + file_len - tail + n, file + file_len - tail, tail);
	b[2]++; /* one more pair in the map */
	*ret_len = file_len + n;
	reseal(b, *ret_len);
	return b;
}

Test(snapshot_hostile, unknown_keys_are_skipped_whatever_they_hold)
{
	/* "new": [nil, {1: "ab", 2: 1.5}, ext16 of 3 bytes, bin8 of 2, 0xcf..] */
	static const uint8_t extra[] = "\xa3new\x95\xc0\x82\x01\xa2"
				       "ab\x02\xcb\x3f\xf8\0\0\0\0\0\0\xc8\0\x03\x05xyz"
				       "\xc4\x02pq\xcf\1\2\3\4\5\6\7\x08";
	size_t n;
	uint8_t *b = with_extra(extra, sizeof(extra) - 1, &n);

	cr_assert_eq(decode(b, n, NULL), 0);
	free(b);
}

Test(snapshot_hostile, a_table_given_twice_is_inconsistent)
{
	size_t n;
	uint8_t *b = with_extra("\xa6stacks\x90", 8, &n);

	CHECK_FAULT(b, n, "inconsistent");
	free(b);
}

/* Highest address space use so far, in kB. */
static long peak_memory(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmPeak: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* What 5 bytes can ask msgpack-c for: 2^28 elements, 8 GB (msgpack-c issue 1013). */
Test(snapshot_hostile, huge_headers_reserve_nothing)
{
	static const struct {
		const char *bytes;
		size_t n;
	} vectors[] = {
		{ "\xa6stacks\xdd\x10\0\0\0", 12 },
		{ "\xa7modules\xdd\xff\xff\xff\xff", 13 },
		{ "\xa5"
		  "audit\xdf\x02\0\0\0",
		  11 },
		{ "\xa5total\xdd\x02\0\0\0", 11 },
		{ "\xa3"
		  "exe\xdb\xff\xff\xff\xff",
		  9 },
		{ "\xa3new\xdd\x10\0\0\0", 9 },
		{ "\xdd\x02\0\0\0\xc0", 6 },
	};
	long before = peak_memory();

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t n;
		uint8_t *b = with_extra(vectors[i].bytes, vectors[i].n, &n);

		cr_assert_eq(decode(b, n, NULL), -EINVAL, "vector %zu", i);
		free(b);
	}
	cr_assert_lt(peak_memory(), before + (64 << 10));
}

Test(unpack, headers_beyond_the_input_are_refused_at_once)
{
	static const uint8_t array[] = { 0xdd, 0x10, 0, 0, 0, 0xc0 }, map[] = { 0xdf, 0, 0, 0, 1, 0xc0, 0xc0 };
	struct unpack u = { array, sizeof(array) };
	uint32_t n = 77;

	cr_assert_eq(unpack_array(&u, &n), -ENODATA);
	cr_assert_eq(unpack_map(&u, &n), -EBADMSG);
	cr_assert_eq(n, 77);
	cr_assert_eq(u.left, sizeof(array), "nothing was consumed");
	u = (struct unpack){ map, sizeof(map) - 1 };
	cr_assert_eq(unpack_map(&u, &n), -ENODATA, "a pair needs two bytes");
	u.left = sizeof(map);
	cr_assert_eq(unpack_map(&u, &n), 0);
	cr_assert_eq(n, 1);
	cr_assert_eq(u.left, 2);
}

/* The encoder writes what it is given, so a broken snapshot is easily made. */
static void check_refused(void)
{
	struct fault f = { "" };
	void *buf;
	size_t n;

	cr_assert_eq(snapshot_encode(made, &buf, &n), 0);
	cr_assert_eq(decode(buf, n, &f), -EINVAL);
	cr_assert_not_null(strstr(f.text, "inconsistent"));
	free(buf);
}

Test(snapshot_hostile, content_out_of_range_is_inconsistent)
{
	struct snapshot_stack *k = &made->stacks[3];

	made->rate = ABI_MAX_RATE + 1;
	check_refused();
	made->rate = ABI_MAX_RATE;
	made->modules[1].range.end = made->modules[1].range.start;
	check_refused();
	made->modules[1].range.end++;
	k->values.var_alloc_bytes = NAN;
	check_refused();
	k->values.var_alloc_bytes = INFINITY;
	check_refused();
	k->values.var_alloc_bytes = 1;
	free(k->frames);
	k->frames = calloc(ABI_MAX_DEPTH + 1, sizeof(*k->frames));
	k->n_frames = ABI_MAX_DEPTH + 1;
	check_refused();
}

Test(snapshot_hostile, a_map_that_ends_before_the_file_is_inconsistent)
{
	file[2]--;
	reseal(file, file_len);
	CHECK_FAULT(file, file_len, "bytes after its end");
}

Test(snapshot_hostile, deep_nesting_is_refused_without_recursion)
{
	enum { DEEP = 1 << 20 };
	uint8_t *nest = malloc(4 + DEEP + 1), *b;
	size_t n;

	memcpy(nest,
	       "\xa3"
	       "exe",
	       4);
	memset(nest + 4, 0x91, DEEP);
	nest[4 + DEEP] = 0xc0;
	b = with_extra(nest, 4 + DEEP + 1, &n);
	cr_assert_eq(decode(b, n, NULL), -EINVAL);
	free(b);
	memcpy(nest, "\xa3new", 4);
	b = with_extra(nest, 4 + DEEP + 1, &n);
	cr_assert_eq(decode(b, n, NULL), 0, "unknown keys may hold anything");
	free(b);
	free(nest);
}
