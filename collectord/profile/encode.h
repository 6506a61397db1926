/* collectord/profile/encode.h - a profile in formats of other tools, as text; protobuf is in pprof.h, JSON in
 * json.h.
 *
 * All of them take any profile whatever bytes its names hold, write into `out` and return 0, -ENOMEM, or -EINVAL
 * with a fault when the format cannot say it (no heap values, negative ones); then `out` may hold a part of it:
 * print into memory.  Values are estimates of what happened, never to be scaled again by a reader: the headers say
 * so. */
#pragma once

#include <stdio.h>

#include "collectord/profile/memstats.h"
#include "collectord/profile/profile.h"

/* What Go's net/http/pprof answers to heap?debug=1: records with their frames as comments, then the statistics.
 * `m` may be NULL: what the profile itself tells. */
int gotext_encode(const struct profile *p, const struct memstats *m, FILE *out, struct fault *f);

/* What google-pprof and jeprof read, and `go tool pprof` too: addresses and the map of the process. */
int heaptext_encode(const struct profile *p, FILE *out, struct fault *f);

/* For speedscope.app: one profile per sample type. */
int speedscope_encode(const struct profile *p, FILE *out, struct fault *f);

/* For valgrind's dh_view.html.  Peak, end and lifetimes are in it if the profile is of a snapshot. */
int dhat_encode(const struct profile *p, FILE *out, struct fault *f);

/* For spreadsheets: RFC 4180, one record per stack. */
int csv_encode(const struct profile *p, FILE *out, struct fault *f);
