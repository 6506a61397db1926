/* collectord/cli/report_options.h - the options of all reports, by pprof's names, and what they add up to. */
#pragma once

#include "collectord/cli/names.h"
#include "collectord/cli/options.h"
#include "collectord/cli/source_profile.h"
#include "collectord/profile/report.h"

#define REPORT_GRANULARITIES 5
#define REPORT_SHORTCUTS 7

/* What a command line asks for. */
struct report_request {
	struct report_options report;
	struct source_request sources;
	struct names_choice names;
	const char *output, *symbolize;
	bool drawn; /* the dot text as a picture */
	/* As they were given; the others follow from them. */
	bool granularity[REPORT_GRANULARITIES]; /* by enum report_granularity */
	bool flat;
	bool shortcut[REPORT_SHORTCUTS]; /* -inuse_space and so on */
	bool ignored;
	/* Not pprof's. */
	bool temporary, lifetime, sizes;
	const char *by;       /* "", "thread" or "process": a table of totals */
	bool process_callers; /* -by_process */
};

#define REPORT_REQUEST_DEFAULT                                                         \
	{                                                                              \
		.report = REPORT_OPTIONS_DEFAULT,                                      \
		.sources = { .base = "",                                               \
			     .diff_base = "",                                          \
			     .url = { .tls_cert = "", .tls_key = "", .tls_ca = "" } }, \
		.output = "", .symbolize = "", .by = "",                               \
	}

#define REPORT_OPTION_COUNT 64

extern const struct option_desc report_option_table[REPORT_OPTION_COUNT];

/* Parse the command line of `heaptap NAME`, NAME a report.  What options_parse() returns. */
int report_options_parse(const struct command *c, int argc, char **argv, struct report_request *q, struct fault *f);

/* What follows parsing: operands (a regular expression first, if the kind of report takes one), and choices that
 * depend on each other.  0 or -EINVAL with a fault. */
int report_options_finish(const char *command, int n, char **operands, struct report_request *q, struct fault *f);
