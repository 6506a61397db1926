/* collectord/profile/snapshot_decode.c - .heaptap bytes to struct snapshot; format in README.md.
 *
 * Order of questions: is it a snapshot, is it of a version we know, is it whole (checksum at its end), and only
 * then what it says.  Nothing is reserved on the word of a count: tables grow as their elements turn out to be
 * there. */
#include "collectord/profile/snapshot.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "collectord/profile/snapshot_fields.h"
#include "collectord/profile/snapshot_object.h"
#include "collectord/profile/unpack.h"

struct reader {
	struct unpack in;
	msgpack_unpacked element; /* the one being read; reused */
	struct snapshot *s;
	struct fault *fault;
	bool has_total, has_audit, has_modules, has_stacks, has_series, has_threads;
};

static int next_element(struct reader *rd)
{
	int r = unpack_element(&rd->in, SNAPSHOT_MAX_ELEMENT, &rd->element);

	/* The checksum held, so even early ends are not of a disk's making. */
	return r && r != -ENOMEM ? snapshot_inconsistent(rd->fault, "msgpack") : r;
}

/* Room for one more entry at the end of a table of `n` that grows through powers of two; new room is zeroed. */
static bool grow(void *table, size_t n, size_t size)
{
	void *old, *bigger;

	memcpy(&old, table, sizeof(old));
	if (n & (n - 1))
		return true;
	bigger = reallocarray(old, n ? 2 * n : 1, size);
	if (!bigger)
		return false;
	memset((char *)bigger + n * size, 0, (n ? n : 1) * size);
	memcpy(table, &bigger, sizeof(bigger));
	return true;
}

static int read_modules(struct reader *rd)
{
	struct snapshot *s = rd->s;
	uint32_t n = 0;
	int r = unpack_array(&rd->in, &n);

	if (r || rd->has_modules)
		return snapshot_inconsistent(rd->fault, "module table");
	rd->has_modules = true;
	for (uint32_t i = 0; i < n && !r; i++) {
		r = next_element(rd);
		if (!r && !grow(&s->modules, s->n_modules, sizeof(*s->modules)))
			r = -ENOMEM;
		if (!r)
			r = object_to_module(&rd->element.data, &s->modules[s->n_modules++], rd->fault);
	}
	return r;
}

static int read_threads(struct reader *rd)
{
	struct snapshot *s = rd->s;
	uint32_t n = 0;
	int r = unpack_array(&rd->in, &n);

	if (r || rd->has_threads)
		return snapshot_inconsistent(rd->fault, "thread table");
	rd->has_threads = true;
	for (uint32_t i = 0; i < n && !r; i++) {
		r = next_element(rd);
		if (!r && !grow(&s->threads, s->n_threads, sizeof(*s->threads)))
			r = -ENOMEM;
		if (!r)
			r = object_to_thread(&rd->element.data, &s->threads[s->n_threads++], rd->fault);
	}
	return r;
}

static int read_stacks(struct reader *rd)
{
	struct snapshot *s = rd->s;
	uint32_t n = 0;
	int r = unpack_array(&rd->in, &n);

	if (r || rd->has_stacks)
		return snapshot_inconsistent(rd->fault, "stack table");
	rd->has_stacks = true;
	for (uint32_t i = 0; i < n && !r; i++) {
		r = next_element(rd);
		if (!r && !grow(&s->stacks, s->n_stacks, sizeof(*s->stacks)))
			r = -ENOMEM;
		if (!r)
			r = object_to_stack(&rd->element.data, &s->stacks[s->n_stacks++], rd->fault);
	}
	return r;
}

/* A value that is one element: a scalar field, "total", "audit". */
static int read_value(struct reader *rd, const struct snapshot_field *field)
{
	int r = next_element(rd);

	return r ? r : object_to_field(&rd->element.data, field, rd->s, rd->fault);
}

static int read_total(struct reader *rd)
{
	int r = next_element(rd);

	rd->has_total = true;
	return r ? r : object_to_values(&rd->element.data, &rd->s->total, rd->fault);
}

static int read_audit(struct reader *rd)
{
	int r = next_element(rd);

	rd->has_audit = true;
	return r ? r : object_to_audit(&rd->element.data, &rd->s->audit, rd->fault);
}

static int read_series(struct reader *rd)
{
	int r = next_element(rd);

	if (!r && rd->has_series)
		r = snapshot_inconsistent(rd->fault, "series: there are two");
	rd->has_series = true;
	return r ? r : object_to_series(&rd->element.data, &rd->s->series, rd->fault);
}

static int read_minor(struct reader *rd)
{
	static const struct snapshot_field minor = {
		.key = "minor",
		.type = FIELD_U32,
		.offset = offsetof(struct snapshot, minor),
	};

	return read_value(rd, &minor);
}

static int read_pair(struct reader *rd)
{
	const msgpack_object *key = &rd->element.data;
	const struct snapshot_field *field;
	int r = next_element(rd);

	if (r)
		return r;
	field = object_find_field(snapshot_root_fields, ARRAY_SIZE(snapshot_root_fields), key);
	if (field)
		return read_value(rd, field);
	if (object_is_string(key, "total"))
		return read_total(rd);
	if (object_is_string(key, "audit"))
		return read_audit(rd);
	if (object_is_string(key, "minor"))
		return read_minor(rd);
	if (object_is_string(key, "series"))
		return read_series(rd);
	if (object_is_string(key, "modules"))
		return read_modules(rd);
	if (object_is_string(key, "threads"))
		return read_threads(rd);
	if (object_is_string(key, "stacks"))
		return read_stacks(rd);
	r = unpack_skip(&rd->in); /* a newer minor's */
	return r ? snapshot_inconsistent(rd->fault, "msgpack") : 0;
}

static int fill_defaults(struct snapshot *s)
{
	s->exe = strdup("");
	s->cmdline = strdup("");
	s->allocator = strdup("");
	return s->exe && s->cmdline && s->allocator ? 0 : -ENOMEM;
}

static int read_root(struct reader *rd)
{
	uint32_t n_pairs = 0;
	int r = unpack_map(&rd->in, &n_pairs);

	if (r)
		return snapshot_inconsistent(rd->fault, "map");
	r = fill_defaults(rd->s);
	while (!r && n_pairs--)
		r = read_pair(rd);
	if (r)
		return r;
	if (!rd->has_total || !rd->has_audit || !rd->has_modules || !rd->has_stacks)
		return snapshot_inconsistent(rd->fault, "map: a table is missing");
	if (rd->in.left)
		return snapshot_inconsistent(rd->fault, "map: bytes after its end");
	return rd->s->rate <= ABI_MAX_RATE ? 0 : snapshot_inconsistent(rd->fault, "rate");
}

/* What a file that is no snapshot might be, for the fault. */
static const char *describe(const uint8_t *b, size_t len)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *what;
	} known[] = {
		{ "\x1f\x8b", 2, "gzip data, perhaps a pprof profile: open it with `go tool pprof`" },
		{ "\x7f"
		  "ELF",
		  4, "an ELF program or library" },
		{ "heap profile:", 13, "a legacy text heap profile: open it with `go tool pprof`" },
		{ "heap_v2/", 8, "a jemalloc heap profile: open it with `jeprof`" },
		{ "\x28\xb5\x2f\xfd", 4, "zstd data" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (len >= known[i].n && !memcmp(b, known[i].bytes, known[i].n))
			return known[i].what;
	return "some other file; snapshots end in " SNAPSHOT_SUFFIX;
}

static int truncated(size_t len, struct fault *f)
{
	return fault_set(f, -EINVAL,
			 "truncated heaptap snapshot (%zu bytes, the rest is missing): the copy broke off or the "
			 "disk was full; use another one",
			 len);
}

/* Every snapshot starts with a 16-bit map header and the key "heaptap", then the major version. */
static int check_head(const uint8_t *b, size_t len, struct fault *f)
{
	static const char key[] = "\xa7heaptap";
	const size_t n_key = sizeof(key) - 1, at = 3;
	struct unpack rest;
	msgpack_unpacked version;
	struct snapshot_field field = { .key = "heaptap", .type = FIELD_U32 };
	uint32_t major = 0;
	int r;

	if (!len)
		return fault_set(f, -EINVAL, "empty file, not a heaptap snapshot: use another one");
	if (b[0] != 0xde || (len > at && memcmp(b + at, key, len - at < n_key ? len - at : n_key)))
		return fault_set(f, -EINVAL, "not a heaptap snapshot: %s", describe(b, len));
	if (len <= at + n_key)
		return truncated(len, f);
	rest = (struct unpack){ .at = b + at + n_key, .left = len - at - n_key };
	msgpack_unpacked_init(&version);
	r = unpack_element(&rest, sizeof(uint64_t) + 1, &version);
	if (!r)
		r = object_to_field(&version.data, &field, &major, f);
	else
		r = r == -ENODATA ? truncated(len, f) : r == -ENOMEM ? r : snapshot_inconsistent(f, "version");
	msgpack_unpacked_destroy(&version);
	if (!r && major > SNAPSHOT_MAJOR)
		r = fault_set(f, -EINVAL,
			      "written by a newer heaptap (format %u, this one reads %u): upgrade heaptap", major,
			      SNAPSHOT_MAJOR);
	else if (!r && major != SNAPSHOT_MAJOR)
		r = snapshot_inconsistent(f, "version");
	return r;
}

/* The last `len` bytes are a trailer. */
static bool has_trailer(const uint8_t *b, size_t len)
{
	return len >= SNAPSHOT_TRAILER_LEN &&
	       !memcmp(b + len - SNAPSHOT_TRAILER_LEN, SNAPSHOT_TRAILER, SNAPSHOT_TRAILER_LEN - 4);
}

static bool has_right_checksum(const uint8_t *b, size_t len)
{
	const uint8_t *c = b + len - 4;

	return ((uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3]) == crc32_z(0, b, len - 5);
}

/* No trailer at the end: is there one before it, of a whole snapshot?  Else the end is missing. */
static int tell_what_follows(const uint8_t *b, size_t len, struct fault *f)
{
	for (size_t n = len; n-- > SNAPSHOT_TRAILER_LEN;)
		if (has_trailer(b, n))
			return has_right_checksum(b, n) ? fault_set(f, -EINVAL,
								    "damaged heaptap snapshot (%zu extra bytes at "
								    "its end): use another "
								    "one, or cut them off",
								    len - n)
							: truncated(len, f);
	return truncated(len, f);
}

static int check_whole(const uint8_t *b, size_t len, struct fault *f)
{
	if (!has_trailer(b, len))
		return tell_what_follows(b, len, f);
	if (!has_right_checksum(b, len))
		return fault_set(f, -EINVAL,
				 "damaged heaptap snapshot (its checksum does not match): use another one");
	return 0;
}

int snapshot_decode(const void *buf, size_t len, struct snapshot **ret, struct fault *f)
{
	struct reader rd = { .in = { .at = buf, .left = len }, .fault = f };
	int r = check_head(buf, len, f);

	if (!r)
		r = check_whole(buf, len, f);
	if (r)
		return r;
	rd.s = calloc(1, sizeof(*rd.s));
	if (!rd.s)
		return -ENOMEM;
	msgpack_unpacked_init(&rd.element);
	r = read_root(&rd);
	msgpack_unpacked_destroy(&rd.element);
	if (r) {
		snapshot_free(rd.s);
		return r;
	}
	rd.s->major = SNAPSHOT_MAJOR;
	*ret = rd.s;
	return 0;
}
