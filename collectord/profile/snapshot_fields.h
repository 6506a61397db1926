/* collectord/profile/snapshot_fields.h - the scalar fields of a .heaptap file, once, for encoder and decoder.
 *
 * A key is never reused with another meaning.  Fields are only ever added at the end of a table (a newer minor);
 * tables marked "by order" are written as arrays, so there the order is the format. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/snapshot.h"

enum snapshot_field_type { FIELD_U32, FIELD_U64, FIELD_I32, FIELD_I64, FIELD_F64, FIELD_STR };

struct snapshot_field {
	const char *key;
	enum snapshot_field_type type;
	size_t offset;
};

#define ROOT(member, kind)                                                                \
	{                                                                                 \
		.key = #member, .type = kind, .offset = offsetof(struct snapshot, member) \
	}
static const struct snapshot_field snapshot_root_fields[] = {
	ROOT(pid, FIELD_U32),         ROOT(ppid, FIELD_U32),       ROOT(uid, FIELD_U32),
	ROOT(exe, FIELD_STR),         ROOT(cmdline, FIELD_STR),    ROOT(allocator, FIELD_STR),
	ROOT(session, FIELD_U64),     ROOT(seq, FIELD_U32),        ROOT(reason, FIELD_U32),
	ROOT(wall_ns, FIELD_I64),     ROOT(elapsed_ns, FIELD_U64), ROOT(exit_known, FIELD_I32),
	ROOT(exit_status, FIELD_I32), ROOT(rate, FIELD_U32),       ROOT(peak_elapsed_ns, FIELD_U64),
};

#define AUDIT(member)                                                                                \
	{                                                                                            \
		.key = #member, .type = FIELD_U64, .offset = offsetof(struct snapshot_audit, member) \
	}
static const struct snapshot_field snapshot_audit_fields[] = {
	AUDIT(samples),    AUDIT(frees),     AUDIT(drained),     AUDIT(spilled),    AUDIT(untracked),
	AUDIT(stack_full), AUDIT(truncated), AUDIT(module_full), AUDIT(spill_full), AUDIT(corrupt),
	AUDIT(counted),    AUDIT(uncounted), AUDIT(own_space),
};

#define VALUE(member, kind)                                                                      \
	{                                                                                        \
		.key = #member, .type = kind, .offset = offsetof(struct snapshot_values, member) \
	}
/* By order. */
static const struct snapshot_field snapshot_value_fields[] = {
	VALUE(allocs, FIELD_U64),          VALUE(frees, FIELD_U64),           VALUE(alloc_count, FIELD_U64),
	VALUE(alloc_bytes, FIELD_U64),     VALUE(free_count, FIELD_U64),      VALUE(free_bytes, FIELD_U64),
	VALUE(peak_count, FIELD_U64),      VALUE(peak_bytes, FIELD_U64),      VALUE(var_alloc_count, FIELD_F64),
	VALUE(var_alloc_bytes, FIELD_F64), VALUE(var_inuse_count, FIELD_F64), VALUE(var_inuse_bytes, FIELD_F64),
	VALUE(var_peak_count, FIELD_F64),  VALUE(var_peak_bytes, FIELD_F64),
};

#define DETAIL(member)                                                                                \
	{                                                                                             \
		.key = #member, .type = FIELD_U64, .offset = offsetof(struct snapshot_detail, member) \
	}
/* By order; the two histograms follow. */
static const struct snapshot_field snapshot_detail_fields[] = {
	DETAIL(temporary_count),
	DETAIL(temporary_bytes),
	DETAIL(age_ns),
	DETAIL(undated),
};

/* A point of the series is an array of uint64_t, by order, each written as the difference to the point before. */
#define SNAPSHOT_POINT_WORDS (sizeof(struct snapshot_point) / sizeof(uint64_t))
static_assert(SNAPSHOT_POINT_WORDS == 8, "a point has the fields the format says");
#define SNAPSHOT_MAX_POINTS 65536u

#undef ROOT
#undef AUDIT
#undef VALUE
#undef DETAIL

/* The longest string the encoder writes; the largest element (module, stack, string) the decoder unpacks. */
#define SNAPSHOT_MAX_STRING ((size_t)1 << 20)
#define SNAPSHOT_MAX_ELEMENT ((size_t)2 << 20)

/* The end of every file: the key "crc32" and an uint32, big-endian, always in its 5-byte form. */
/* clang-format off */
#define SNAPSHOT_TRAILER "\xa5" "crc32" "\xce"
/* clang-format on */
#define SNAPSHOT_TRAILER_LEN (sizeof(SNAPSHOT_TRAILER) - 1 + 4)
