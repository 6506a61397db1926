/* collectord/profile/json_parts.h - numbers, texts, totals, frames and stacks of a profile as jansson values.
 *
 * For json.c.  All return a new reference, or NULL when out of memory. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "collectord/profile/profile.h"
#include "collectord/profile/snapshot.h"

/* Valid UTF-8 whatever `s` holds; bytes that are none become \xNN. */
json_t *json_text(const char *s);

json_t *json_hex(uint64_t v);      /* "0x7f…": JSON's numbers end at 2^53 for many readers */
json_int_t json_whole(uint64_t v); /* what does not fit is the largest that does */
json_t *json_totals(const struct profile *p);
json_t *json_series(const struct snapshot_series *s);
json_t *json_frame(const struct profile *p, const struct profile_location *l, uint32_t line);

/* Number of each location's first frame in the table of frames; malloc'ed. */
uint32_t *json_first_frames(const struct profile *p);
json_t *json_stack(const struct profile *p, const struct profile_sample *s, const uint32_t *first_frames);
