/* tests/fuzz/fuzz_profile.h - what every profile that a reader accepted must stand: each encoder, a report.
 *
 * Indices that point outside tables show here under AddressSanitizer; the protobuf we write must be one we read. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collectord/profile/encode.h"
#include "collectord/profile/json.h"
#include "collectord/profile/pprof.h"
#include "collectord/profile/report.h"

static inline void fuzz_protobuf(const struct profile *p)
{
	struct profile *again = NULL;
	void *buf = NULL;
	size_t len = 0;

	if (pprof_encode(p, &buf, &len))
		return;
	if (pprof_decode(buf, len, &again, NULL))
		abort();
	if (again->n_samples != p->n_samples || again->n_locations != p->n_locations)
		abort();
	profile_free(again);
	free(buf);
}

static inline void fuzz_formats(const struct profile *p)
{
	FILE *out = fopen("/dev/null", "w");

	profile_json(p, out);
	gotext_encode(p, NULL, out, NULL);
	heaptext_encode(p, out, NULL);
	speedscope_encode(p, out, NULL);
	dhat_encode(p, out, NULL);
	csv_encode(p, out, NULL);
	fclose(out);
}

/* One report for each input: they cost more than all the rest. */
static inline void fuzz_report(const struct profile *p, size_t choice)
{
	static const int kinds[] = {
		REPORT_TOP, REPORT_TREE, REPORT_TRACES, REPORT_TAGS, REPORT_RAW, REPORT_FOLDED
	};
	struct report_options o = REPORT_OPTIONS_DEFAULT;
	FILE *out = fopen("/dev/null", "w");

	o.kind = kinds[choice % (sizeof(kinds) / sizeof(*kinds))];
	report_print(p, &o, out, NULL);
	fclose(out);
}

static inline void fuzz_profile(const struct profile *p, size_t choice)
{
	fuzz_protobuf(p);
	fuzz_formats(p);
	fuzz_report(p, choice);
}
