/* collectord/profile/encode_frame.c - see encode_frame.h. */
#include "collectord/profile/encode_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/utf8.h"

uint32_t encode_frames(const struct profile_location *l)
{
	return l->n_lines ? l->n_lines : 1;
}

struct encode_frame encode_frame_at(const struct profile *p, const struct profile_location *l, uint32_t line)
{
	struct encode_frame ret = {
		.function = "", .file = "", .module = "", .address = l->address, .entry = l->entry
	};

	if (l->mapping < p->n_mappings)
		ret.module = p->mappings[l->mapping].file;
	if (line < l->n_lines && l->lines[line].function < p->n_functions) {
		const struct profile_function *f = &p->functions[l->lines[line].function];

		ret.function = *f->name ? f->name : f->system_name;
		ret.file = f->filename;
		ret.line = l->lines[line].line;
		ret.is_inlined = line + 1 < l->n_lines;
	}
	return ret;
}

char *encode_frame_name(const struct encode_frame *frame)
{
	const char *base = strrchr(frame->module, '/');
	char *ret;

	if (*frame->function)
		return strdup(frame->function);
	base = base ? base + 1 : frame->module;
	if (*base == '[')
		return strdup(base);
	return asprintf(&ret, *base ? "[%s]" : "<unknown>", base) < 0 ? NULL : ret;
}

void encode_line(const char *text, const char *reserved, FILE *out)
{
	size_t left = strlen(text);

	while (left) {
		unsigned n = utf8_length(text, left);

		if (n && !utf8_is_control(text, n) && !(n == 1 && strchr(reserved, *text))) {
			fwrite(text, 1, n, out);
		} else {
			n = n ? n : 1;
			for (unsigned i = 0; i < n; i++)
				fprintf(out, "\\x%02x", (uint8_t)text[i]);
		}
		text += n;
		left -= n;
	}
}

static size_t either_type(const struct profile *p, const char *type, const char * or)
{
	uint32_t i = profile_find_type(p, type);

	return i == PROFILE_NONE ? profile_find_type(p, or) : i;
}

/* Old heap profiles with nothing freed have two types only: what is in use is all there was. */
int encode_heap_types(const struct profile *p, const char *format, struct encode_heap *ret, struct fault *f)
{
	const struct encode_heap t = {
		.alloc_objects = either_type(p, "alloc_objects", "objects"),
		.alloc_space = either_type(p, "alloc_space", "space"),
		.inuse_objects = either_type(p, "inuse_objects", "objects"),
		.inuse_space = either_type(p, "inuse_space", "space"),
	};

	if (t.alloc_objects == PROFILE_NONE || t.alloc_space == PROFILE_NONE || t.inuse_objects == PROFILE_NONE ||
	    t.inuse_space == PROFILE_NONE)
		return fault_set(
			f, -EINVAL,
			"not a heap profile (no alloc_space, inuse_space, ...): %s cannot hold it; use pprof, "
			"JSON or CSV",
			format);
	*ret = t;
	return encode_no_negatives(p, format, f);
}

int encode_no_negatives(const struct profile *p, const char *format, struct fault *f)
{
	for (size_t i = 0; i < p->n_samples; i++)
		for (size_t t = 0; t < p->n_sample_types; t++)
			if (p->samples[i].values[t] < 0)
				return fault_set(
					f, -EINVAL,
					"values below 0 (a difference of two profiles): %s cannot hold them; "
					"use pprof, JSON or CSV",
					format);
	return 0;
}
