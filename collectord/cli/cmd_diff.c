/* collectord/cli/cmd_diff.c - heaptap diff OLD NEW: which functions hold more than before, and by how much for
 * sure.
 *
 * Functions are matched by name: the two may be of different runs, builds or machines.  With --fail-over it is a
 * check for CI: status 3 says that memory grew too much. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collectord/cli/options.h"
#include "collectord/cli/pager.h"
#include "collectord/cli/report_options.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/profile/diff.h"
#include "collectord/profile/merge.h"

#define EXIT_GREW 3
#define UNSET UINT64_MAX

struct diff_request {
	struct report_request report;
	uint64_t fail_over;
};

static const struct option_desc options[] = {
	{ "fail-over", 0, OPTION_SIZE, offsetof(struct diff_request, fail_over), "SIZE", 0, INT64_MAX,
	  "exit with status 3 if the total grew by more than SIZE for certain (95 %)" },
};

static int load(struct diff_request *q, const char *source, struct profile **ret, struct source_peak *ret_peak,
		struct fault *f)
{
	struct source_request one = { .peak = q->report.sources.peak,
				      .demangle = q->report.sources.demangle,
				      .url = q->report.sources.url };

	one.sources.at[one.sources.n++] = source;
	return source_read_all(&one, ret, ret_peak, f);
}

/* Their errors first: samples are matched by their labels, too. */
static int make_columns(const struct diff_request *q, struct profile *both[2], const struct source_peak peaks[2],
			struct fault *f)
{
	int r = q->report.sources.peak ? 0 : source_share_errors(both[0], &peaks[0], both[1], &peaks[1]);

	for (uint32_t i = 0; !r && i < 2; i++)
		r = report_rows_label(both[i], i);
	return r ? fault_set(f, r, "out of memory") : 0;
}

static int read_rows(struct diff_request *q, struct report_rows **ret, struct fault *f)
{
	struct profile *both[2] = { 0 }, *merged = NULL;
	struct source_peak peaks[2];
	int r = load(q, q->report.sources.sources.at[0], &both[0], &peaks[0], f);

	if (!r)
		r = load(q, q->report.sources.sources.at[1], &both[1], &peaks[1], f);
	if (!r)
		r = make_columns(q, both, peaks, f);
	if (!r)
		r = profile_merge(both, 2, &merged, f);
	if (!r)
		r = report_rows_new(merged, &q->report.report, false, 2, ret, f);
	profile_free(merged);
	profile_free(both[0]);
	profile_free(both[1]);
	return r;
}

static int judge(const struct diff_request *q, const struct report_rows *t, const struct diff_total *total)
{
	char grown[SIZE_TEXT_MAX], error[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	double delta = (double)total->new - (double)total->old;

	bool certain = delta - total->error > (double)q->fail_over;

	if (q->fail_over == UNSET || delta <= (double)q->fail_over)
		return EXIT_OK;
	say("%s grew by %s%s%s, more than --fail-over %s%s", t->type, size_text(grown, delta),
	    total->error > 0 ? " ± " : "", total->error > 0 ? size_text(error, total->error) : "",
	    size_text(limit, (double)q->fail_over), certain ? "" : ", but that may be chance: no failure");
	return certain ? EXIT_GREW : EXIT_OK;
}

static int diff(struct diff_request *q)
{
	struct report_rows *t = NULL;
	struct diff_total total;
	struct fault f = { "" };
	struct diff_paint paint;
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int r = read_rows(q, &t, &f);

	if (r)
		return say_fault(&f, EXIT_FAULT);
	paint = (struct diff_paint){ pager_colour(PAGER_RED), pager_colour(PAGER_GREEN),
				     pager_colour(PAGER_PLAIN) };
	pager_start();
	out = open_memstream(&text, &len);
	r = out ? diff_print(t, &q->report.report, &paint, &total, out) : -ENOMEM;
	if (out && fclose(out) && !r)
		r = -ENOMEM;
	if (!r)
		pager_write(text, len);
	free(text);
	if (r)
		say("out of memory");
	r = r ? EXIT_FAULT : judge(q, t, &total);
	report_rows_free(t);
	return r;
}

static int diff_run(const struct command *c, int argc, char **argv)
{
	static struct diff_request q;
	struct fault f = { "" };
	int first, r;

	q = (struct diff_request){ .report = REPORT_REQUEST_DEFAULT, .fail_over = UNSET };
	r = options_parse(c, argc, argv, &q, &first, &f);
	if (!r && argc - first != 2)
		r = fault_set(&f, -EINVAL, "diff: %s write `heaptap diff OLD NEW`",
			      argc - first < 2 ? "which two SOURCEs?" : "more than two SOURCEs;");
	if (!r && (*q.report.sources.base || *q.report.sources.diff_base))
		r = fault_set(&f, -EINVAL, "diff: OLD is the base; leave out -base and -diff_base");
	if (!r)
		r = report_options_finish(c->name, argc - first, argv + first, &q.report, &f);
	return r ? options_status(r, &f) : diff(&q);
}

const struct command command_diff = {
	.name = "diff",
	.synopsis = "[OPTIONS] OLD NEW",
	.summary = "what changed from one SOURCE to another: old, new, difference, and the error of the difference",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.more = report_option_table,
	.n_more = REPORT_OPTION_COUNT,
	.notes = "Functions are matched by name, so the two may be of different runs or builds.  ~ marks changes "
		 "within their\n"
		 "95 % error.  Exit status 3: the total grew by more than --fail-over, and not by "
		 "chance.\n\nexamples:\n"
		 "  heaptap diff heaptap.server.4711@1 heaptap.server.4711     since the first snapshot\n"
		 "  heaptap diff -cum -alloc_space before.pb.gz heaptap.server.4711\n"
		 "  heaptap diff --fail-over=1M -focus=cache old.heaptap new.heaptap\n",
	.run = diff_run,
};
