/* collectord/profile/snapshot_encode.c - struct snapshot to .heaptap bytes; format in README.md.
 *
 * Runs on the collector's loop: one pass, no lookups.  Frames are differences to the frame before, which halves
 * the file.  msgpack_sbuffer only fails for want of memory; that is asked once, at the end. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include <msgpack.h>

#include "collectord/profile/snapshot.h"
#include "collectord/profile/snapshot_fields.h"

#define ROOT_EXTRA 9 /* heaptap, minor, total, audit, series, modules, threads, stacks, crc32 */
#define ROOT_PAIRS (ROOT_EXTRA + ARRAY_SIZE(snapshot_root_fields))
static_assert(ROOT_PAIRS >= 16 && ROOT_PAIRS <= UINT16_MAX, "readers know a snapshot by its 16-bit map header");

struct writer {
	msgpack_sbuffer buffer;
	msgpack_packer packer;
	bool failed;
};

static int write_bytes(void *ctx, const char *bytes, size_t n)
{
	struct writer *w = ctx;

	w->failed |= msgpack_sbuffer_write(&w->buffer, bytes, n) != 0;
	return w->failed ? -1 : 0;
}

static void put_string(struct writer *w, const char *s)
{
	size_t n = s ? strnlen(s, SNAPSHOT_MAX_STRING) : 0;

	msgpack_pack_str(&w->packer, n);
	msgpack_pack_str_body(&w->packer, n ? s : "", n);
}

static void put_field(struct writer *w, const struct snapshot_field *f, const void *base)
{
	const char *at = (const char *)base + f->offset;

	switch (f->type) {
	case FIELD_U32:
		msgpack_pack_uint32(&w->packer, *(const uint32_t *)(const void *)at);
		break;
	case FIELD_U64:
		msgpack_pack_uint64(&w->packer, *(const uint64_t *)(const void *)at);
		break;
	case FIELD_I32:
		msgpack_pack_int32(&w->packer, *(const int32_t *)(const void *)at);
		break;
	case FIELD_I64:
		msgpack_pack_int64(&w->packer, *(const int64_t *)(const void *)at);
		break;
	case FIELD_F64:
		msgpack_pack_double(&w->packer, *(const double *)(const void *)at);
		break;
	case FIELD_STR:
		put_string(w, *(char *const *)(const void *)at);
		break;
	}
}

static void put_keyed(struct writer *w, const struct snapshot_field *fields, size_t n, const void *base)
{
	for (size_t i = 0; i < n; i++) {
		put_string(w, fields[i].key);
		put_field(w, &fields[i], base);
	}
}

static void put_values(struct writer *w, const struct snapshot_values *v)
{
	msgpack_pack_array(&w->packer, ARRAY_SIZE(snapshot_value_fields));
	for (size_t i = 0; i < ARRAY_SIZE(snapshot_value_fields); i++)
		put_field(w, &snapshot_value_fields[i], v);
}

static void put_module(struct writer *w, const struct snapshot_module *m)
{
	msgpack_pack_array(&w->packer, 6);
	msgpack_pack_uint64(&w->packer, m->range.start);
	msgpack_pack_uint64(&w->packer, m->range.end);
	msgpack_pack_uint64(&w->packer, m->range.bias);
	msgpack_pack_uint32(&w->packer, m->range.epoch);
	put_string(w, m->path);
	msgpack_pack_bin(&w->packer, m->build_id_len);
	msgpack_pack_bin_body(&w->packer, m->build_id, m->build_id_len);
}

static void put_thread(struct writer *w, const struct snapshot_thread *t)
{
	msgpack_pack_array(&w->packer, 2);
	msgpack_pack_uint32(&w->packer, t->tid);
	put_string(w, t->name);
}

static void put_histogram(struct writer *w, const struct histogram *h, unsigned columns)
{
	size_t n = (size_t)histogram_used(h) * columns;

	msgpack_pack_array(&w->packer, 1 + n);
	msgpack_pack_uint64(&w->packer, h->classes);
	for (size_t i = 0; i < n; i++)
		msgpack_pack_uint64(&w->packer, h->cells[i]);
}

static void put_detail(struct writer *w, const struct snapshot_detail *d)
{
	msgpack_pack_array(&w->packer, ARRAY_SIZE(snapshot_detail_fields) + 2);
	for (size_t i = 0; i < ARRAY_SIZE(snapshot_detail_fields); i++)
		put_field(w, &snapshot_detail_fields[i], d);
	put_histogram(w, &d->lifetimes, LIFETIME_COLUMNS);
	put_histogram(w, &d->sizes, SIZE_COLUMNS);
}

static void put_series(struct writer *w, const struct snapshot_series *s)
{
	uint64_t last[SNAPSHOT_POINT_WORDS] = { 0 }, now[SNAPSHOT_POINT_WORDS];

	msgpack_pack_array(&w->packer, 3);
	msgpack_pack_uint64(&w->packer, s->start_ns);
	msgpack_pack_uint64(&w->packer, s->interval_ns);
	msgpack_pack_array(&w->packer, s->n_points);
	for (uint32_t i = 0; i < s->n_points; i++) {
		memcpy(now, &s->points[i], sizeof(now));
		msgpack_pack_array(&w->packer, SNAPSHOT_POINT_WORDS);
		for (size_t k = 0; k < SNAPSHOT_POINT_WORDS; k++)
			msgpack_pack_int64(&w->packer, (int64_t)(now[k] - last[k]));
		memcpy(last, now, sizeof(last));
	}
}

static void put_stack(struct writer *w, const struct snapshot_stack *s)
{
	uint64_t last = 0;

	msgpack_pack_array(&w->packer, 5);
	msgpack_pack_uint32(&w->packer, s->flags);
	msgpack_pack_uint32(&w->packer, s->epoch);
	msgpack_pack_array(&w->packer, s->n_frames);
	for (uint32_t i = 0; i < s->n_frames; i++) {
		msgpack_pack_int64(&w->packer, (int64_t)(s->frames[i] - last));
		last = s->frames[i];
	}
	put_values(w, &s->values);
	put_detail(w, &s->detail);
}

static void put_trailer(struct writer *w)
{
	put_string(w, "crc32");
	msgpack_pack_fix_uint32(&w->packer, (uint32_t)crc32_z(0, (const Bytef *)w->buffer.data, w->buffer.size));
}

static void put_root(struct writer *w, const struct snapshot *s)
{
	msgpack_pack_map(&w->packer, ROOT_PAIRS);
	put_string(w, "heaptap");
	msgpack_pack_uint32(&w->packer, SNAPSHOT_MAJOR);
	put_string(w, "minor");
	msgpack_pack_uint32(&w->packer, SNAPSHOT_MINOR);
	put_keyed(w, snapshot_root_fields, ARRAY_SIZE(snapshot_root_fields), s);
	put_string(w, "total");
	put_values(w, &s->total);
	put_string(w, "audit");
	msgpack_pack_map(&w->packer, ARRAY_SIZE(snapshot_audit_fields));
	put_keyed(w, snapshot_audit_fields, ARRAY_SIZE(snapshot_audit_fields), &s->audit);
	put_string(w, "series");
	put_series(w, &s->series);
	put_string(w, "modules");
	msgpack_pack_array(&w->packer, s->n_modules);
	for (size_t i = 0; i < s->n_modules && !w->failed; i++)
		put_module(w, &s->modules[i]);
	put_string(w, "threads");
	msgpack_pack_array(&w->packer, s->n_threads);
	for (size_t i = 0; i < s->n_threads && !w->failed; i++)
		put_thread(w, &s->threads[i]);
	put_string(w, "stacks");
	msgpack_pack_array(&w->packer, s->n_stacks);
	for (size_t i = 0; i < s->n_stacks && !w->failed; i++)
		put_stack(w, &s->stacks[i]);
	if (!w->failed)
		put_trailer(w);
}

int snapshot_encode(const struct snapshot *s, void **ret_buf, size_t *ret_len)
{
	struct writer w = { .failed = false };

	msgpack_sbuffer_init(&w.buffer);
	msgpack_packer_init(&w.packer, &w, write_bytes);
	put_root(&w, s);
	if (w.failed) {
		msgpack_sbuffer_destroy(&w.buffer);
		return -ENOMEM;
	}
	*ret_len = w.buffer.size;
	*ret_buf = msgpack_sbuffer_release(&w.buffer);
	return 0;
}
