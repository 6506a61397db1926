/* collectord/profile/report.h - reports over a profile, as `go tool pprof` prints them.
 *
 * Algorithms and number formats: the pprof tool of Go 1.19, the oracle in tests.  Pure: profile in, text out; the
 * profile is not changed.  Options carry pprof's names and mean what they mean there. */
#pragma once

#include <stdio.h>

#include "collectord/profile/profile.h"

enum report_kind {
	REPORT_TOP,
	REPORT_TREE,
	REPORT_PEEK, /* tree of the functions that match `symbol` */
	REPORT_TRACES,
	REPORT_TAGS,
	REPORT_LIST, /* source of the functions that match `symbol` */
	REPORT_DOT,
	REPORT_RAW,
	REPORT_COMMENTS,
	REPORT_HEADER,    /* only the lines that say what the profile is */
	REPORT_PROTO,     /* the profile after all filters, as pprof_encode() writes it */
	REPORT_TOPPROTO,  /* the rows of `top` as a profile */
	REPORT_CALLGRIND, /* for kcachegrind */
	REPORT_FOLDED,    /* one line per stack, for flame graphs: not one of pprof's */
};

enum report_granularity {
	REPORT_FUNCTIONS,
	REPORT_FILEFUNCTIONS,
	REPORT_FILES,
	REPORT_LINES,
	REPORT_ADDRESSES,
};

/* Texts are never NULL: "" is "not set". */
struct report_options {
	int kind;                 /* enum report_kind */
	int granularity;          /* enum report_granularity */
	const char *symbol;       /* REPORT_PEEK, REPORT_LIST: which functions */
	const char *sample_index; /* name or number of a sample type */
	bool cum;                 /* sort by cumulative */
	bool mean;                /* values divided by the first sample type's */
	bool call_tree, drop_negative, noinlines, relative_percentages, compact_labels, trim;
	bool upstream;      /* what newer pprof prints differently */
	bool error;         /* columns with the standard error; not one of pprof's */
	int64_t node_count; /* rows; -1 = the report's default */
	double node_fraction, edge_fraction, divide_by;
	const char *focus, *ignore, *hide, *show, *show_from, *prune_from;
	const char *tagfocus, *tagignore, *tagshow, *taghide, *tagroot, *tagleaf;
	const char *unit, *source_path, *trim_path;
	void (*note)(void *arg, const char *line); /* for people: what matched nothing; or NULL */
	void *note_arg;
};

#define REPORT_OPTIONS_DEFAULT                                                                                  \
	{                                                                                                       \
		.kind = REPORT_TOP, .granularity = REPORT_FUNCTIONS, .symbol = "", .sample_index = "",          \
		.trim = true, .node_count = -1, .node_fraction = 0.005, .edge_fraction = 0.001, .divide_by = 1, \
		.focus = "", .ignore = "", .hide = "", .show = "", .show_from = "", .prune_from = "",           \
		.tagfocus = "", .tagignore = "", .tagshow = "", .taghide = "", .tagroot = "", .tagleaf = "",    \
		.unit = "minimum", .source_path = "", .trim_path = "",                                          \
	}

/* Print one report.  0, -ENOMEM or -EINVAL with a fault; then `out` may hold a part of it: print into memory. */
int report_print(const struct profile *p, const struct report_options *o, FILE *out, struct fault *f);

/* Which sample type `name` means, as in -sample_index: a name, one without its "inuse_", or a number; "" is the
 * profile's default. */
int report_sample_type(const struct profile *p, const char *name, size_t *ret, struct fault *f);
