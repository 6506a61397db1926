/* tests/unit/encode_fixture.h - a heap profile whose names no format likes, and what an encoder makes of it as
 * text.
 *
 * Each test program includes it once; the suite's .init is encode_setup, its .fini encode_teardown. */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/encode.h"
#include "collectord/profile/utf8.h"
#include "tests/unit/snapshot_fixture.h"
#include "tests/unit/tool.h"

#define LONG_NAME 65536

static const char *const hostile_names[] = {
	"plain",
	"two\nlines",
	"a;b",
	"say \"hi\", 'you'",
	"</script><script>alert(1)</script>",
	"\x1b[2J\x1b]0;title\x07",
	"\xff\xfe\xc3(\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xe2\x82",
	"tab\there\r\n",
	"\xc2\x85\xc2\x9bm", /* C1 controls */
	"back\\slash \\n %s %n",
	"=cmd|' /C calc'!A0",
	"ends in a number 42",
	" 0x10 @ 1: 2 [3: 4]",
	"MAPPED_LIBRARIES:",
	"MAPPED_LIBRARIES",
	"x --- Memory map: ---",
	"caf\xc3\xa9 \xf0\x9f\x92\xbe \xe2\x80\xa8",
	"",
};

static struct profile *p;
static char *text;
static size_t text_len;
static struct fault fault;

static inline uint32_t hostile_location(uint64_t address, const char *name)
{
	uint32_t at = profile_add_location(p, (uint32_t)(address % p->n_mappings), address);

	p->locations[at].lines = profile_alloc(p, 1, sizeof(struct profile_line));
	p->locations[at].n_lines = 1;
	p->locations[at].lines[0] = (struct profile_line){ profile_add_function(p, name, name, name, 0), 7 };
	return at;
}

static inline struct profile_sample *add_sample(const uint32_t *stack, uint32_t n, int64_t objects, int64_t bytes)
{
	struct profile_sample *s;

	profile_add_sample(p, stack, n);
	s = &p->samples[p->n_samples - 1];
	s->values[0] = 2 * objects;
	s->values[1] = 2 * bytes;
	s->values[2] = objects;
	s->values[3] = bytes;
	return s;
}

static inline void add_heap_types(void)
{
	profile_add_sample_type(p, "alloc_objects", "count");
	profile_add_sample_type(p, "alloc_space", "bytes");
	profile_add_sample_type(p, "inuse_objects", "count");
	profile_add_sample_type(p, "inuse_space", "bytes");
}

/* One sample per name, deeper each time; the last has a name of 64 KiB, and labels. */
static inline void encode_setup(void)
{
	uint32_t stack[ARRAY_SIZE(hostile_names) + 1], n = 0;
	char *long_name = malloc(LONG_NAME + 1);
	struct profile_sample *s;

	p = profile_new();
	add_heap_types();
	profile_add_mapping(
		p, &(struct profile_mapping){
			   .start = 0x1000, .limit = 0x9000, .file = "/opt/a b\n\xff;\"", .build_id = "" });
	profile_add_mapping(p,
			    &(struct profile_mapping){
				    .start = 0x10000, .limit = 0x20000, .file = "/opt/lib.so.1", .build_id = "" });
	for (size_t i = 0; i < ARRAY_SIZE(hostile_names); i++) {
		stack[n++] = hostile_location(0x1000 + 16 * i, hostile_names[i]);
		add_sample(stack, n, (int64_t)i + 1, 100 * (int64_t)(i + 1));
	}
	memset(long_name, 'L', LONG_NAME);
	long_name[LONG_NAME] = '\0';
	stack[n++] = hostile_location(0x8001, long_name);
	free(long_name);
	s = add_sample(stack, n, 1, 1);
	s->n_labels = 2;
	s->labels = profile_alloc(p, 2, sizeof(*s->labels));
	s->labels[0] = (struct profile_label){ .key = hostile_names[1], .str = hostile_names[6], .unit = "" };
	s->labels[1] = (struct profile_label){ .key = "bytes", .num = 48, .unit = hostile_names[2] };
}

static inline void encode_teardown(void)
{
	profile_free(p);
	free(text);
}

typedef int (*encoder)(const struct profile *, FILE *, struct fault *);

/* What an encoder makes of a profile. */
static inline const char *encoded_of(const struct profile *q, encoder encode)
{
	FILE *out;
	int r;

	free(text);
	out = open_memstream(&text, &text_len);
	r = encode(q, out, &fault);
	cr_assert_eq(fclose(out), 0);
	cr_assert_eq(r, 0, "%d %s", r, fault.text);
	return text;
}

static inline const char *encoded(encoder encode)
{
	return encoded_of(p, encode);
}

#define BEGINS(s, with) (!strncmp(s, with, sizeof(with) - 1))

/* UTF-8 without control characters but those in `allowed`. */
static inline void check_plain(const char *allowed)
{
	for (size_t at = 0; at < text_len;) {
		unsigned n = utf8_length(text + at, text_len - at);

		cr_assert_gt(n, 0, "no UTF-8 at %zu", at);
		cr_assert(!utf8_is_control(text + at, n) || strchr(allowed, text[at]), "control %02x at %zu",
			  (unsigned)text[at], at);
		at += n;
	}
}

static inline int64_t total(size_t type)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		sum += p->samples[i].values[type];
	return sum;
}
