/* collectord/cli/source_profile.h - from several SOURCEs and a base to the one profile that reports are of. */
#pragma once

#include "collectord/cli/source.h"
#include "collectord/cli/source_url.h"

#define SOURCES_MAX 256
#define SOURCE_PROCESS_LABEL "process" /* "server (4711)" */
#define SOURCE_PID_LABEL "pid"

/* Operands that may be given several times. */
struct source_list {
	const char *at[SOURCES_MAX];
	size_t n;
};

struct source_request {
	struct source_list sources;
	const char *base, *diff_base; /* "": none.  Of several -base pprof takes the last */
	bool normalize;               /* the sources' sums are made those of the base */
	bool peak;                    /* in-use values of the moment when most was in use */
	bool by_process;              /* samples are labelled with their process */
	struct url_options url;
	bool demangle; /* linker names that profiles of other tools were left with */
};

/* Two profiles that will be subtracted: if both are of one run, make their variances those of what differs.  0 or
 * -ENOMEM. */
int source_share_errors(struct profile *a, const struct source_peak *of_a, struct profile *b,
			const struct source_peak *of_b);

/* Read, merge and compare as `go tool pprof` does.  *ret_peak is that of the first source.  0 or -errno with a
 * fault. */
int source_read_all(const struct source_request *q, struct profile **ret, struct source_peak *ret_peak,
		    struct fault *f);
