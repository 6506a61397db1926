/* collectord/cli/cmd_report.c - heaptap top, tree, peek, list and so on: the reports of `go tool pprof`.
 *
 * One table of options serves all of them; names, defaults and meanings are pprof's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/draw.h"
#include "collectord/cli/options.h"
#include "collectord/cli/output.h"
#include "collectord/cli/pager.h"
#include "collectord/cli/report_hint.h"
#include "collectord/cli/report_options.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/profile/convert.h"
#include "collectord/profile/report_details.h"
#include "collectord/profile/report_groups.h"

static void note(void *arg, const char *line)
{
	(void)arg;
	say("%s", line);
}

/* --- one report -------------------------------------------------------------------------------------- */

static int print_by(const struct profile *p, const struct report_request *q, const struct report_options *o,
		    FILE *out, struct fault *f)
{
	static const struct report_group_by by_thread = {
		"thread", CONVERT_THREAD_LABEL, CONVERT_TID_LABEL,
		"stacks were not recorded by thread; use `heaptap run --by-thread`, or `heaptap set PID threads=on`"
	};
	static const struct report_group_by by_process = { "process", SOURCE_PROCESS_LABEL, SOURCE_PID_LABEL,
							   "no sample says of which process it is" };

	return report_print_groups(p, o, strcmp(q->by, "thread") ? &by_process : &by_thread, out, f);
}

/* Into memory, so that a report that fails prints nothing. */
static int print_to_memory(const struct profile *p, const struct report_request *q, char **ret, size_t *ret_len)
{
	struct report_options o = q->report;
	struct fault f = { "" };
	FILE *out = open_memstream(ret, ret_len);
	int r;

	if (!out) {
		say("out of memory");
		return EXIT_FAULT;
	}
	o.note = note;
	if (*q->by)
		r = print_by(p, q, &o, out, &f);
	else if (q->lifetime)
		r = report_print_lifetimes(p, &o, out, &f);
	else if (q->sizes)
		r = report_print_sizes(p, &o, out, &f);
	else
		r = report_print(p, &o, out, &f);
	if (fclose(out) && !r)
		r = fault_set(&f, -ENOMEM, "out of memory");
	if (!r && q->drawn)
		r = draw_picture("svg", ret, ret_len, &f);
	return r ? say_fault(&f, EXIT_FAULT) : EXIT_OK;
}

static int deliver(const struct report_request *q, const char *text, size_t len)
{
	char name[DRAW_NAME_MAX];
	struct fault f = { "" };
	const char *file = *q->output ? q->output : q->drawn ? draw_file_name(name) : NULL;

	if (!file) {
		pager_start();
		pager_write(text, len);
		return EXIT_OK;
	}
	say("Generating report in %s", file);
	return output_write(file, text, len, &f) ? say_fault(&f, EXIT_FAULT) : EXIT_OK;
}

static int report(struct report_request *q)
{
	struct source_peak peak = { 0 };
	struct profile *p = NULL;
	struct fault f = { "" };
	char when[SIZE_TEXT_MAX], *text = NULL;
	size_t len = 0;
	int r = source_read_all(&q->sources, &p, &peak, &f);

	if (r)
		return say_fault(&f, EXIT_FAULT);
	if (q->temporary && report_make_temporary(p, &f)) {
		profile_free(p);
		return say_fault(&f, EXIT_FAULT);
	}
	if (q->sources.peak && peak.bytes > 0)
		say("at the peak, %s after the start", time_text(when, peak.elapsed_ns));
	if (q->report.error && peak.is_shared)
		say("\u00b1 is an upper bound: what was in use at both moments is counted twice, as a peak does "
		    "not say what "
		    "that was");
	r = print_to_memory(p, q, &text, &len);
	if (!r)
		r = deliver(q, text, len);
	report_hint(p, q, q->report.kind, &peak, r != 0);
	free(text);
	profile_free(p);
	return r;
}

static int report_run(const struct command *c, int argc, char **argv)
{
	struct report_request q;
	struct fault f = { "" };
	int r = report_options_parse(c, argc, argv, &q, &f);

	if (r)
		return options_status(r, &f);
	return report(&q);
}

/* --- the commands ------------------------------------------------------------------------------------ */

#define SOURCE_NOTES                                                                                           \
	"SOURCE is a snapshot (*.heaptap), a directory of them (the newest; DIR@3 is number 3, DIR@peak the\n" \
	"moment when most was in use, DIR@final the last one of a program that ended), or a pprof profile,\n"  \
	"or the URL of one: http://HOST:PORT/debug/pprof/heap, HOST:PORT, unix:///PATH/OF/SOCKET:/URL/PATH.\n" \
	"Several are added up.  flat: by the function itself; cum: by it and what it calls.  kB, MB, GB are\n" \
	"powers of 1024.  Expressions are RE2's, as in pprof.\n\nexamples:\n"

#define REPORT_COMMAND(word, operands, what, examples)         \
	const struct command command_##word = {                \
		.name = #word,                                 \
		.synopsis = "[OPTIONS] " operands "SOURCE...", \
		.summary = what,                               \
		.options = report_option_table,                \
		.n_options = REPORT_OPTION_COUNT,              \
		.notes = SOURCE_NOTES examples,                \
		.run = report_run,                             \
	}

REPORT_COMMAND(top, "", "which functions hold or allocate the memory, as `go tool pprof -top` prints it",
	       "  heaptap top heaptap.python3.4711\n"
	       "  heaptap top -cum -nodecount=20 heaptap.python3.4711\n"
	       "  heaptap top -alloc_space heaptap.python3.4711/0003-timer.heaptap\n"
	       "  heaptap top -base=heaptap.python3.4711@1 heaptap.python3.4711   what came and stayed since\n");
REPORT_COMMAND(text, "", "the same as top", "  heaptap text heaptap.python3.4711\n");
REPORT_COMMAND(tree, "", "each function with its callers and callees",
	       "  heaptap tree heaptap.python3.4711\n"
	       "  heaptap tree -focus=parse -nodecount=10 heaptap.python3.4711\n");
REPORT_COMMAND(peek, "REGEX ", "callers and callees of the functions that match REGEX",
	       "  heaptap peek 'parse|read' heaptap.python3.4711\n");
REPORT_COMMAND(traces, "", "every stack", "  heaptap traces -lines heaptap.python3.4711\n");
REPORT_COMMAND(tags, "", "labels, and what each of their values accounts for", "  heaptap tags profile.pb.gz\n");
REPORT_COMMAND(list, "REGEX ", "source lines of the functions that match REGEX",
	       "  heaptap list '^parse$' heaptap.server.4711\n"
	       "  heaptap list parse -source_path=$HOME/src/server -trim_path=/build heaptap.server.4711\n");
REPORT_COMMAND(dot, "", "the call graph for graphviz",
	       "  heaptap dot heaptap.python3.4711 | dot -Tpng >heap.png\n");
REPORT_COMMAND(svg, "", "the call graph as a picture that browsers pan and zoom",
	       "  heaptap svg heaptap.python3.4711                     writes profile001.svg\n"
	       "  heaptap svg -output=heap.svg -focus=parse heaptap.python3.4711\n");
REPORT_COMMAND(raw, "", "the profile itself, as text", "  heaptap raw profile.pb.gz\n");
REPORT_COMMAND(comments, "", "the profile's comments", "  heaptap comments heaptap.python3.4711\n");
REPORT_COMMAND(folded, "", "one line per stack, for flame graphs",
	       "  heaptap folded heaptap.python3.4711 | flamegraph.pl --countname=bytes >heap.svg\n");
