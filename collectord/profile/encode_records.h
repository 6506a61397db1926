/* collectord/profile/encode_records.h - first line and records of the text heap profiles, for the two encoders. */
#pragma once

#include "collectord/profile/encode_frame.h"

/* The samples that are not nothing, most bytes in use first. */
struct encode_records {
	const struct profile *p;
	struct encode_heap types;
	const struct profile_sample **at; /* malloc'ed */
	size_t n;
};

/* -EINVAL with a fault, or -ENOMEM; done() it either way. */
int encode_records_new(const struct profile *p, const char *format, struct encode_records *ret, struct fault *f);
void encode_records_done(struct encode_records *r);

/* "heap profile: 1: 64 [2: 128] @ TAG" */
void encode_records_header(const struct encode_records *r, const char *tag, FILE *out);

/* "1: 64 [2: 128] @ 0x... 0x...": return addresses, leaf first. */
void encode_record(const struct encode_records *r, const struct profile_sample *s, FILE *out);
