/* collectord/profile/encode_json.h - JSON written piece by piece, for encoders whose whole would not fit in memory
 * twice: jansson makes the leaves, this puts them behind each other.  Errors are kept until encode_json_done(). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct encode_json {
	FILE *out;
	bool failed; /* out of memory somewhere */
	bool more;   /* a comma is due before the next member or element */
};

void encode_json_key(struct encode_json *j, const char *name);                   /* plain ASCII */
void encode_json_value(struct encode_json *j, json_t *value);                    /* an element; takes it over */
void encode_json_member(struct encode_json *j, const char *name, json_t *value); /* takes it over */
void encode_json_number(struct encode_json *j, int64_t v);                       /* an element */
void encode_json_open(struct encode_json *j, char bracket);                      /* '[' or '{', as an element */
void encode_json_close(struct encode_json *j, char bracket);
