/* collectord/cli/report_options.c - see report_options.h. */
#include "collectord/cli/report_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collectord/cli/say.h"

#define AT(field) offsetof(struct report_request, field)
#define FLAG(name, field, help)                                   \
	{                                                         \
		name, 0, OPTION_FLAG, AT(field), NULL, 0, 0, help \
	}
#define WORDS(name, field, arg, help)                             \
	{                                                         \
		name, 0, OPTION_WORDS, AT(field), arg, 0, 0, help \
	}
#define REAL(name, field, help)                                  \
	{                                                        \
		name, 0, OPTION_REAL, AT(field), "X", 0, 0, help \
	}

const struct option_desc report_option_table[REPORT_OPTION_COUNT] = {
	FLAG("inuse_space", shortcut[3], "bytes in use (the default for snapshots)"),
	FLAG("inuse_objects", shortcut[4], "objects in use"),
	FLAG("alloc_space", shortcut[5], "bytes allocated since the start"),
	FLAG("alloc_objects", shortcut[6], "objects allocated since the start"),
	WORDS("sample_index", report.sample_index, "NAME", "which values: a name or a number"),
	FLAG("mean", report.mean, "values divided by the first kind of values (counts)"),
	FLAG("peak", sources.peak, "in-use values of the moment when most was in use"),
	FLAG("cum", report.cum, "sort by cumulative: callees included"),
	FLAG("flat", flat, "sort by the function's own value (the default)"),
	FLAG("functions", granularity[REPORT_FUNCTIONS], "a row per function (the default)"),
	FLAG("filefunctions", granularity[REPORT_FILEFUNCTIONS], "a row per function and file"),
	FLAG("files", granularity[REPORT_FILES], "a row per source file"),
	FLAG("lines", granularity[REPORT_LINES], "a row per source line"),
	FLAG("addresses", granularity[REPORT_ADDRESSES], "a row per address"),
	FLAG("noinlines", report.noinlines, "inlined functions count as their caller"),
	{ "nodecount", 0, OPTION_NUMBER, AT(report.node_count), "N", INT64_MIN, INT64_MAX,
	  "show at most N functions; 0 = all" },
	REAL("nodefraction", report.node_fraction, "hide functions below this share of the total (0.005)"),
	REAL("edgefraction", report.edge_fraction, "hide calls below this share of the total (0.001)"),
	FLAG("trim", report.trim, "-trim=false hides nothing"),
	WORDS("focus", report.focus, "REGEX", "only stacks that go through a function or file like this"),
	WORDS("ignore", report.ignore, "REGEX", "without stacks that do"),
	WORDS("hide", report.hide, "REGEX", "leave such functions out of stacks"),
	WORDS("show", report.show, "REGEX", "leave all others out of stacks"),
	WORDS("show_from", report.show_from, "REGEX", "stacks begin at the outermost such function"),
	WORDS("prune_from", report.prune_from, "REGEX", "stacks end at the innermost such function"),
	WORDS("tagfocus", report.tagfocus, "TAG", "only samples with such a label: REGEX, KEY=REGEX, 1kb:64kb"),
	WORDS("tagignore", report.tagignore, "TAG", "without samples with such a label"),
	WORDS("tagshow", report.tagshow, "REGEX", "only labels with such a key"),
	WORDS("taghide", report.taghide, "REGEX", "without labels with such a key"),
	WORDS("tagroot", report.tagroot, "KEYS", "values of these labels become callers of everything"),
	WORDS("tagleaf", report.tagleaf, "KEYS", "values of these labels become callees of everything"),
	WORDS("base", sources.base, "SOURCE", "subtract this profile"),
	WORDS("diff_base", sources.diff_base, "SOURCE", "the same; shares are of its total"),
	FLAG("normalize", sources.normalize, "scale to the base's total first"),
	FLAG("drop_negative", report.drop_negative, "hide functions whose value is negative"),
	WORDS("unit", report.unit, "UNIT", "print numbers in this unit"),
	REAL("divide_by", report.divide_by, "divide all numbers by this"),
	FLAG("relative_percentages", report.relative_percentages, "shares of what is shown, not of everything"),
	FLAG("compact_labels", report.compact_labels, "a shorter header"),
	FLAG("call_tree", report.call_tree, "dot, svg: a tree of calls instead of a graph"),
	WORDS("source_path", report.source_path, "PATH", "where list looks for source files"),
	WORDS("trim_path", report.trim_path, "PATH", "cut this off names of source files"),
	WORDS("output", output, "FILE", "write to FILE"),
	WORDS("symbolize", symbolize, "HOW",
	      "names for profiles of other tools that have none: local (from the files\nthey name, the default), "
	      "none"),
	FLAG("debuginfod", names.debuginfod, NAMES_DEBUGINFOD_HELP),
	FLAG("no-cache", names.no_cache, NAMES_NO_CACHE_HELP),
	FLAG("error", report.error, "top: how sure each number is, the 95 % interval (not one of pprof's)"),
	FLAG("temporary", temporary,
	     "what was freed before its thread allocated again (not pprof's, like the next)"),
	FLAG("lifetime", lifetime, "top: how long freed objects lived, how old the others are"),
	FLAG("sizes", sizes, "top: how large objects are"),
	WORDS("by", by, "thread|process",
	      "top: totals per thread (of `heaptap run --by-thread`) or per process,\nwhen several SOURCEs are "
	      "given"),
	FLAG("by_process", process_callers,
	     "several SOURCEs: their processes as labels (process, pid), and as\noutermost callers"),
	FLAG("upstream", report.upstream, "as newer pprof prints it, where that differs from Go 1.19"),
	{ "seconds", 0, OPTION_NUMBER, AT(sources.url.seconds), "N", INT64_MIN, INT64_MAX,
	  "URLs: what changes within N seconds" },
	{ "timeout", 0, OPTION_NUMBER, AT(sources.url.timeout), "N", INT64_MIN, INT64_MAX,
	  "URLs: wait N seconds for an answer (60)" },
	WORDS("tls_cert", sources.url.tls_cert, "FILE", "https: certificate to show; with -tls_key"),
	WORDS("tls_key", sources.url.tls_key, "FILE", "https: its key"),
	WORDS("tls_ca", sources.url.tls_ca, "FILE", "https: believe these authorities, no others"),
	FLAG("total_delay", shortcut[0], NULL),
	FLAG("mean_delay", shortcut[1], NULL),
	FLAG("contentions", shortcut[2], NULL),
	FLAG("intel_syntax", ignored, NULL),
	FLAG("text", ignored, NULL),
	FLAG("top", ignored, NULL),
};

static const struct {
	const char *option, *type;
} shortcuts[REPORT_SHORTCUTS] = {
	{ "-total_delay", "delay" },           { "-mean_delay", "delay" },
	{ "-contentions", "contentions" },     { "-inuse_space", "inuse_space" },
	{ "-inuse_objects", "inuse_objects" }, { "-alloc_space", "alloc_space" },
	{ "-alloc_objects", "alloc_objects" },
};

/* pprof's words, which may be joined by colons.  Nobody but local files is asked for names here, and names that a
 * profile has are kept. */
static int choose_names(struct report_request *q, struct fault *f)
{
	static const struct {
		const char *word;
		bool foreign, demangle, is_end;
	} known[] = {
		{ "", true, true, false },        { "local", true, true, false },
		{ "none", false, false, true },   { "fastlocal", true, true, false },
		{ "no", false, false, true },     { "demangle=default", true, true, false },
		{ "remote", false, true, false },
	};
	const char *at = q->symbolize;
	bool foreign = true, is_end = false;

	q->sources.demangle = true;
	for (size_t n; !is_end; at += n + 1) {
		size_t i = 0;

		n = strcspn(at, ":");
		while (i < ARRAY_SIZE(known) &&
		       (strlen(known[i].word) != n || strncasecmp(at, known[i].word, n) != 0))
			i++;
		if (i == ARRAY_SIZE(known))
			return fault_set(f, -EINVAL,
					 "--symbolize %s: choose none, local or remote, or leave it out; names a "
					 "profile has are kept, C++ names are shown without parameters",
					 q->symbolize);
		foreign &= known[i].foreign;
		q->sources.demangle &= known[i].demangle;
		is_end = known[i].is_end || !at[n];
	}
	q->names.not_foreign = !foreign;
	return 0;
}

/* The first shortcut counts, but less than -sample_index. */
static void choose_type(struct report_request *q)
{
	for (size_t i = 0; i < REPORT_SHORTCUTS; i++) {
		if (!q->shortcut[i])
			continue;
		if (*q->report.sample_index)
			say("Multiple value selections, ignoring %s", shortcuts[i].option);
		else
			q->report.sample_index = shortcuts[i].type;
	}
	q->report.mean |= q->shortcut[1];
}

/* At the peak, in use: what was allocated until then is not known. */
static int check_peak(const struct report_request *q, struct fault *f)
{
	static const char *const without[] = { "alloc_space", "alloc_objects", "0", "1" };

	for (size_t i = 0; q->sources.peak && i < ARRAY_SIZE(without); i++)
		if (!strcmp(q->report.sample_index, without[i]))
			return fault_set(f, -EINVAL,
					 "-peak shows what was in use, not what was allocated; leave out -peak or "
					 "-%s%s",
					 i < 2 ? "" : "sample_index=", without[i]);
	return 0;
}

static int choose_granularity(struct report_request *q, struct fault *f)
{
	int chosen = -1;

	for (int i = 0; i < REPORT_GRANULARITIES; i++) {
		if (!q->granularity[i])
			continue;
		if (chosen >= 0)
			return fault_set(f, -EINVAL,
					 "-functions, -filefunctions, -files, -lines, -addresses: choose "
					 "one");
		chosen = i;
	}
	if (q->report.cum && q->flat)
		return fault_set(f, -EINVAL, "-cum, -flat: choose one");
	q->report.granularity = chosen < 0 ? REPORT_FUNCTIONS : chosen;
	return 0;
}

static void choose_kind(const char *name, struct report_request *q)
{
	static const struct {
		const char *name;
		enum report_kind kind;
	} kinds[] = {
		{ "top", REPORT_TOP },   { "text", REPORT_TOP },          { "tree", REPORT_TREE },
		{ "peek", REPORT_PEEK }, { "traces", REPORT_TRACES },     { "tags", REPORT_TAGS },
		{ "list", REPORT_LIST }, { "dot", REPORT_DOT },           { "svg", REPORT_DOT },
		{ "raw", REPORT_RAW },   { "comments", REPORT_COMMENTS }, { "folded", REPORT_FOLDED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			q->report.kind = kinds[i].kind;
	q->drawn = !strcmp(name, "svg");
}

static int take_operands(const char *command, int n, char **operands, struct report_request *q, struct fault *f)
{
	bool takes_regex = q->report.kind == REPORT_PEEK || q->report.kind == REPORT_LIST;

	if (takes_regex && n) {
		q->report.symbol = operands[0];
		operands++;
		n--;
	} else if (takes_regex) {
		return fault_set(f, -EINVAL,
				 "%s: which functions? Write a regular expression, then a SOURCE; `heaptap "
				 "%s --help` shows how",
				 command, command);
	}
	if (!n)
		return fault_set(f, -EINVAL,
				 "%s: which SOURCE? Name a snapshot or a directory of them; `heaptap %s "
				 "--help` shows how",
				 command, command);
	if (n > SOURCES_MAX)
		return fault_set(f, -EINVAL, "%s: more than %d SOURCEs; merge some of them first", command,
				 SOURCES_MAX);
	for (int i = 0; i < n; i++)
		q->sources.sources.at[q->sources.sources.n++] = operands[i];
	return 0;
}

int report_options_finish(const char *command, int n, char **operands, struct report_request *q, struct fault *f)
{
	int r = take_operands(command, n, operands, q, f);

	if (!r)
		r = choose_granularity(q, f);
	if (!r)
		r = choose_names(q, f);
	names_choose(&q->names);
	if (!r && *q->by && strcmp(q->by, "thread") && strcmp(q->by, "process"))
		r = fault_set(f, -EINVAL, "-by=%s: choose thread or process", q->by);
	if (!r && *q->by && q->report.kind != REPORT_TOP)
		r = fault_set(f, -EINVAL, "-by is a table of its own; use top, or -tagroot=%s", q->by);
	if (!r && q->temporary + q->lifetime + q->sizes > 1)
		r = fault_set(f, -EINVAL, "-temporary, -lifetime, -sizes: choose one");
	if (!r && *q->by && (q->lifetime || q->sizes))
		r = fault_set(f, -EINVAL, "-by, -lifetime, -sizes: choose one");
	if (!r && (q->lifetime || q->sizes) && q->report.kind != REPORT_TOP)
		r = fault_set(f, -EINVAL, "-lifetime and -sizes are tables of their own; use top");
	if (r)
		return r;
	if (q->process_callers && !*q->report.tagroot && !*q->report.tagleaf)
		q->report.tagroot = SOURCE_PROCESS_LABEL;
	q->sources.by_process = !strcmp(q->by, "process") || q->process_callers;
	choose_type(q);
	return check_peak(q, f);
}

int report_options_parse(const struct command *c, int argc, char **argv, struct report_request *q, struct fault *f)
{
	int first, r;

	*q = (struct report_request)REPORT_REQUEST_DEFAULT;
	choose_kind(c->name, q);
	r = options_parse(c, argc, argv, q, &first, f);
	return r ? r : report_options_finish(c->name, argc - first, argv + first, q, f);
}
