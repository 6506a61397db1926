/* collectord/profile/encode_frame.h - what the encoders share: frames, heap values, texts of one line. */
#pragma once

#include <stdio.h>

#include "collectord/profile/profile.h"

/* One line of a location, or the location itself if it has none. */
struct encode_frame {
	const char *function, *file; /* "" if unknown */
	const char *module;          /* path of the mapping, "" if none */
	int64_t line;
	uint64_t address, entry; /* entry: where the function that owns the address begins, 0 if unknown */
	bool is_inlined;
};

/* Frames of a location: at least 1.  Innermost first. */
uint32_t encode_frames(const struct profile_location *l);
struct encode_frame encode_frame_at(const struct profile *p, const struct profile_location *l, uint32_t line);

/* The function; else its object, "[libfoo.so]"; else "<unknown>".  malloc'ed, NULL = out of memory. */
char *encode_frame_name(const struct encode_frame *frame);

/* `text` as one line of UTF-8: control characters, bytes that are no UTF-8, and those in `reserved` become \xNN. */
void encode_line(const char *text, const char *reserved, FILE *out);

/* Where a heap profile's values are. */
struct encode_heap {
	size_t alloc_objects, alloc_space, inuse_objects, inuse_space;
};

/* -EINVAL with a fault that names the format if `p` is no heap profile, or has values below 0. */
int encode_heap_types(const struct profile *p, const char *format, struct encode_heap *ret, struct fault *f);
int encode_no_negatives(const struct profile *p, const char *format, struct fault *f);
