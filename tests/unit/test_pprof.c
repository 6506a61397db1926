/* tests/unit/test_pprof.c - profile.proto both ways; Go's pprof is the judge of what a file says. */
#include <errno.h>
#include <zlib.h>

#include "collectord/profile/pprof_inflate.h"
#include "tests/unit/pprof_fixture.h"

static const char *const go_files[] = { "basic", "basic2", "cxx", "labels", "unsym" };

static bool have_go(void)
{
	int status;

	free(tool_output(&status, "command -v go"));
	return !status;
}

/* What `go tool pprof` itself finds in a file: everything, as text. */
static char *go_raw(const char *path)
{
	char scratch[PATH_MAX];
	int status;
	char *out;

	tool_scratch(scratch, "");
	out = tool_output(&status, "PPROF_TMPDIR='%s' go tool pprof -symbolize=none -raw '%s' 2>&1", scratch, path);
	cr_assert_eq(status, 0, "%s", out);
	return out;
}

static void encode_to(const struct profile *p, const char *path)
{
	void *buf;
	size_t n;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	tool_write(path, buf, n);
	free(buf);
}

Test(pprof, files_by_go_mean_the_same_after_decode_and_encode)
{
	char source[PATH_MAX], name[64], out[PATH_MAX], *before, *after;

	if (!have_go())
		cr_skip_test("go is not installed");
	for (size_t i = 0; i < ARRAY_SIZE(go_files); i++) {
		struct profile *p;
		struct fault f = { "" };
		size_t n;
		void *buf;

		snprintf(name, sizeof(name), "tests/data/pprof/%s.pb.gz", go_files[i]);
		buf = tool_read(tool_source(source, name), &n);
		cr_assert_eq(pprof_decode(buf, n, &p, &f), 0, "%s: %s", source, f.text);
		encode_to(p, tool_scratch(out, "again.pb.gz"));
		before = go_raw(source);
		after = go_raw(out);
		cr_assert_str_eq(after, before);
		cr_assert_gt(strlen(before), 200, "%s", source);
		free(before);
		free(after);
		profile_free(p);
		free(buf);
	}
}

Test(pprof, go_reads_every_field_we_write)
{
	static const char *const want[] = {
		"PeriodType: space bytes\n",
		"Period: 524288\n",
		"Time: 2023-11-14 22:13:20.123456789 +0000 UTC\n",
		"Duration: 2.5s\n",
		"Comment: # command: fixture --with arguments\n",
		"alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]\n",
		" 10         -5          5        500: 1 ",
		"size:[48 bytes]",
		"thread:[main]",
		" in a.h:7 s=3(_Z2inv)\n",
		" out b.c:-9 s=0(_Z3outv)\n",
		" [no stack] :0 s=0\n",
		"[F]",
		"/0x1000 ",
		"[FN][FL][LN][IN]\n",
	};
	struct profile *p = rich_profile();
	char path[PATH_MAX], *raw;

	if (!have_go())
		cr_skip_test("go is not installed");
	encode_to(p, tool_scratch(path, "rich.pb.gz"));
	raw = go_raw(path);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		cr_assert_not_null(strstr(raw, want[i]), "%s lacks: %s", raw, want[i]);
	cr_assert_not_null(strstr(raw, p->mappings[0].build_id));
	cr_assert_not_null(strstr(raw, p->mappings[0].file));
	free(raw);
	profile_free(p);
}

static void check_same(const struct profile *a, const struct profile *b)
{
	void *x, *y;
	size_t nx, ny;

	cr_assert_eq(pprof_encode(a, &x, &nx), 0);
	cr_assert_eq(pprof_encode(b, &y, &ny), 0);
	cr_assert_eq(nx, ny);
	cr_assert_arr_eq(x, y, nx);
	free(x);
	free(y);
}

Test(pprof, decoding_returns_what_was_encoded)
{
	struct profile *p = rich_profile(), *q;
	void *buf;
	size_t n;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	cr_assert_eq(pprof_decode(buf, n, &q, NULL), 0);
	check_same(p, q);
	cr_assert_eq(q->n_samples, p->n_samples);
	cr_assert_str_eq(q->drop_frames, "malloc|calloc");
	cr_assert_str_eq(q->keep_frames, "keep");
	cr_assert_str_eq(q->samples[0].labels[0].str, "main");
	cr_assert_null(q->samples[0].labels[1].str);
	cr_assert_eq(q->samples[0].labels[1].num, 48);
	cr_assert_eq(q->locations[q->n_locations - 1].mapping, PROFILE_NONE);
	cr_assert_eq(profile_add_function(q, "in", "_Z2inv", "a.h", 3), p->locations[0].lines[0].function,
		     "builders find decoded entries");
	free(buf);
	profile_free(p);
	profile_free(q);
}

Test(pprof, plain_protobuf_and_several_gzip_members_are_read_too)
{
	struct profile *p = rich_profile(), *q;
	uint8_t *packed, *two;
	void *plain, *buf;
	size_t n, n_plain, half;
	uLongf room;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	cr_assert_eq(gunzip(buf, n, 1 << 30, &plain, &n_plain, NULL), 0);
	cr_assert_eq(pprof_decode(plain, n_plain, &q, NULL), 0);
	check_same(p, q);
	profile_free(q);
	half = n_plain / 2;
	packed = two = malloc(2 * n_plain + 1000);
	room = 0;
	for (int part = 0; part < 2; part++) {
		z_stream z = { .next_in = (Bytef *)plain + (part ? half : 0),
			       .avail_in = (uInt)(part ? n_plain - half : half),
			       .next_out = packed + room,
			       .avail_out = (uInt)(n_plain + 500) };

		cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
		cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
		room += z.total_out;
		deflateEnd(&z);
	}
	cr_assert_eq(pprof_decode(two, room, &q, NULL), 0);
	check_same(p, q);
	profile_free(q);
	profile_free(p);
	free(two);
	free(plain);
	free(buf);
}

static uint64_t varint(const uint8_t **at)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t b = *(*at)++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
}

/* The value of varint field `number` of a message, 0 if absent. */
static uint64_t field(const uint8_t *at, size_t n, unsigned number)
{
	const uint8_t *end = at + n;

	while (at < end) {
		uint64_t tag = varint(&at), v = varint(&at);

		if (tag == (uint64_t)number << 3)
			return v;
		at += (tag & 7) == 2 ? v : 0;
	}
	return 0;
}

/* Parca wants ids to be 1..N in table order; a mapping that is none must be 0, not some number without a mapping.
 */
Test(pprof, ids_count_from_one_and_none_is_zero)
{
	struct profile *p = rich_profile();
	uint64_t ids[6] = { 0 }, without_mapping = 0;
	const uint8_t *at, *end;
	void *buf, *plain;
	size_t n, len;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	cr_assert_eq(gunzip(buf, n, 1 << 30, &plain, &len, NULL), 0);
	for (at = plain, end = at + len; at < end;) {
		uint64_t tag = varint(&at), v = varint(&at);

		if ((tag & 7) != 2)
			continue;
		if (tag >> 3 >= 3 && tag >> 3 <= 5) /* mapping, location, function */
			cr_assert_eq(field(at, v, 1), ++ids[tag >> 3]);
		if (tag >> 3 == 4) {
			cr_assert_leq(field(at, v, 2), p->n_mappings);
			without_mapping += !field(at, v, 2);
		}
		at += v;
	}
	cr_assert_eq(ids[3], p->n_mappings);
	cr_assert_eq(ids[4], p->n_locations);
	cr_assert_eq(ids[5], p->n_functions);
	cr_assert_eq(without_mapping, 1);
	free(plain);
	free(buf);
	profile_free(p);
}

Test(pprof, equal_profiles_make_equal_files_without_a_time)
{
	struct profile *p = rich_profile();
	uint8_t *b;
	void *buf;
	size_t n;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	b = buf;
	cr_assert_eq(b[0], 0x1f);
	cr_assert_eq(b[1], 0x8b);
	cr_assert_eq(b[4] | b[5] | b[6] | b[7], 0, "mtime");
	check_same(p, p);
	free(buf);
	profile_free(p);
}

Test(pprof, strings_are_valid_utf8_in_the_file)
{
	struct profile *p = profile_new(), *q;
	void *buf;
	size_t n;

	profile_add_sample_type(p, "a\xff\xc3(b", "caf\xc3\xa9");
	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	cr_assert_eq(pprof_decode(buf, n, &q, NULL), 0);
	cr_assert_str_eq(q->sample_types[0].type, "a\xef\xbf\xbd\xef\xbf\xbd(b");
	cr_assert_str_eq(q->sample_types[0].unit, "caf\xc3\xa9");
	free(buf);
	profile_free(p);
	profile_free(q);
}

Test(pprof, an_empty_profile_survives)
{
	struct profile *p = profile_new(), *q;
	void *buf;
	size_t n;

	cr_assert_eq(pprof_encode(p, &buf, &n), 0);
	cr_assert_eq(pprof_decode(buf, n, &q, NULL), 0);
	cr_assert_eq(q->n_samples, 0);
	free(buf);
	profile_free(p);
	profile_free(q);
}
