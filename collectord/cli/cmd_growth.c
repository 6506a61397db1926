/* collectord/cli/cmd_growth.c - heaptap growth DIR: which stacks keep growing over the snapshots of a run.
 *
 * The snapshots are merged by address, each a column of its own, and named once: a hundred of them cost little more
 * than one.  What the program left when it ended is no moment of its life, and counts only if there are few others.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/options.h"
#include "collectord/cli/pager.h"
#include "collectord/cli/names.h"
#include "collectord/cli/report_options.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/cli/growth_print.h"
#include "collectord/profile/convert.h"
#include "collectord/profile/merge.h"
#include "collectord/profile/snapshot.h"
#include "collectord/profile/suppressions.h"

#define MOMENTS_MIN 3
#define NS_PER_S 1e9

struct growth_request {
	struct report_request report;
	const char *suppressions;
	bool all;
};

static const struct option_desc options[] = {
	{ "suppressions", 0, OPTION_TEXT, offsetof(struct growth_request, suppressions), "FILE", 0, 0,
	  "leave out stacks that FILE names, in LeakSanitizer's syntax: leak:TEMPLATE" },
	{ "all", 0, OPTION_FLAG, offsetof(struct growth_request, all), NULL, 0, 0,
	  "also what shrinks or stays within the error of the samples" },
};

/* --- the snapshots of a directory ---------------------------------------------------------------------- */

struct moments {
	struct profile **profiles;
	double *seconds;
	char **programs; /* what was recorded: session and executable; malloc'ed */
	size_t n;
	bool last_is_exit;
	char *what; /* the program, malloc'ed */
};

static int is_snapshot(const struct dirent *e)
{
	size_t n = strlen(e->d_name), s = strlen(SNAPSHOT_SUFFIX);

	return e->d_name[0] != '.' && n > s && !strcmp(e->d_name + n - s, SNAPSHOT_SUFFIX);
}

static int add_moment(struct moments *m, const char *path, struct fault *f)
{
	struct snapshot *s = NULL;
	int r = snapshot_read_file(path, &s, f);

	if (r)
		return r;
	r = profile_from_snapshot(s, CONVERT_NOW, &m->profiles[m->n], f);
	if (!r) {
		m->seconds[m->n] = (double)s->wall_ns / NS_PER_S;
		if (asprintf(&m->programs[m->n], "%" PRIu64 " %s", s->session, s->exe) < 0)
			m->programs[m->n] = NULL;
		m->last_is_exit = s->reason == SNAPSHOT_EXIT;
		free(m->what);
		m->what = NULL;
		if (asprintf(&m->what, "%s (pid %" PRIu32 ")", *s->exe ? basename(s->exe) : "?", s->pid) < 0)
			m->what = NULL;
		m->n++;
	}
	snapshot_free(s);
	return r;
}

static int read_moments(const char *dir, struct moments *m, struct fault *f)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_snapshot, versionsort), r = 0;

	if (n < 0)
		return fault_set(f, -errno, "%s: %s", dir, strerror(errno));
	m->profiles = calloc((size_t)n + 1, sizeof(struct profile *));
	m->seconds = calloc((size_t)n + 1, sizeof(*m->seconds));
	m->programs = calloc((size_t)n + 1, sizeof(char *));
	if (!m->profiles || !m->seconds || !m->programs)
		r = fault_set(f, -ENOMEM, "out of memory");
	for (int i = 0; i < n; i++) {
		char *path = NULL;

		if (!r && asprintf(&path, "%s/%s", dir, list[i]->d_name) < 0)
			r = fault_set(f, -ENOMEM, "out of memory");
		if (!r)
			r = add_moment(m, path, f);
		if (r && r != -ENOMEM) { /* one damaged file does not hide the others */
			say("%s; left out", f->text);
			r = 0;
		}
		free(path);
		free(list[i]);
	}
	free(list);
	return r;
}

static void free_moments(struct moments *m)
{
	for (size_t i = 0; i < m->n; i++) {
		profile_free(m->profiles[i]);
		free(m->programs[i]);
	}
	free(m->profiles);
	free(m->seconds);
	free(m->programs);
	free(m->what);
}

/* A process that executed another program goes on in the same directory: only the last one's snapshots compare. */
static void keep_last_program(const char *dir, struct moments *m)
{
	char *last = m->n ? m->programs[m->n - 1] : NULL;
	size_t kept = 0, n = m->n;

	for (size_t i = 0; i < n; i++) {
		if (last && m->programs[i] && strcmp(m->programs[i], last) != 0) {
			profile_free(m->profiles[i]);
			free(m->programs[i]);
			continue;
		}
		m->programs[kept] = m->programs[i];
		m->profiles[kept] = m->profiles[i];
		m->seconds[kept++] = m->seconds[i];
	}
	m->n = kept;
	if (kept < n)
		say("%s: %zu snapshot%s of what the process was before it executed %s; left out", dir, n - kept,
		    n - kept == 1 ? "" : "s", m->what ? m->what : "this");
}

/* Rising times; the program's end is left out if there is enough without it. */
static int choose_moments(const char *dir, struct moments *m, struct fault *f)
{
	keep_last_program(dir, m);
	if (m->last_is_exit && m->n > MOMENTS_MIN) {
		profile_free(m->profiles[--m->n]);
		free(m->programs[m->n]);
	}
	for (size_t i = 1; i < m->n; i++)
		if (m->seconds[i] <= m->seconds[i - 1])
			m->seconds[i] = m->seconds[i - 1] + 1e-6;
	if (m->n >= MOMENTS_MIN)
		return 0;
	return fault_set(
		f, -EINVAL,
		"%s: %zu snapshot%s; a trend takes %d: `heaptap run -i SECONDS` or `heaptap snapshot` makes more",
		dir, m->n, m->n == 1 ? "" : "s", MOMENTS_MIN);
}

/* --- rows --------------------------------------------------------------------------------------------- */

static int name_all(struct profile *p, struct fault *f)
{
	struct symbolize_stats stats;
	int r;

	r = names_read(p, &stats);
	if (!r)
		r = profile_finish_names(p, true);
	if (r)
		return fault_set(f, r, "%s while reading symbols", strerror(-r));
	names_say(&stats);
	return 0;
}

static int make_rows(struct moments *m, const struct report_options *o, struct report_rows **ret, struct fault *f)
{
	struct profile *merged = NULL;
	int r = 0;

	for (uint32_t i = 0; !r && i < m->n; i++)
		r = report_rows_label(m->profiles[i], i);
	r = r ? fault_set(f, r, "out of memory") : profile_merge(m->profiles, m->n, &merged, f);
	if (!r)
		r = name_all(merged, f);
	if (!r)
		r = report_rows_new(merged, o, true, (uint32_t)m->n, ret, f);
	profile_free(merged);
	return r;
}

/* The directory that `source` means: of a run, or one above it. */
static int find_dir(const char *source, char **ret, struct fault *f)
{
	char *path = NULL;
	int r = source_resolve(source, &path, f);

	if (r)
		return r;
	*ret = strdup(dirname(path));
	free(path);
	return *ret ? 0 : fault_set(f, -ENOMEM, "out of memory");
}

static int show(const struct growth_table *t, const struct growth_request *q, struct suppressions *suppressions,
		struct fault *f)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int r = out ? growth_print(t, &q->report.report, suppressions, out) : -ENOMEM;

	if (out && fclose(out) && !r)
		r = -ENOMEM;
	if (!r) {
		pager_start();
		pager_write(text, len);
	}
	free(text);
	return r ? fault_set(f, r, "out of memory") : 0;
}

static int growth(struct growth_request *q, const char *source)
{
	struct suppressions *suppressions = NULL;
	struct report_rows *t = NULL;
	struct moments m = { 0 };
	struct fault f = { "" };
	char *dir = NULL;
	int r = q->suppressions ? suppressions_read(q->suppressions, &suppressions, &f) : 0;

	if (!r)
		r = find_dir(source, &dir, &f);
	if (!r)
		r = read_moments(dir, &m, &f);
	if (!r)
		r = choose_moments(dir, &m, &f);
	if (!r)
		r = make_rows(&m, &q->report.report, &t, &f);
	if (!r)
		r = show(&(struct growth_table){ .rows = t, .seconds = m.seconds, .what = m.what, .all = q->all },
			 q, suppressions, &f);
	report_rows_free(t);
	free_moments(&m);
	suppressions_free(suppressions);
	free(dir);
	return r ? say_fault(&f, EXIT_FAULT) : EXIT_OK;
}

static int growth_run(const struct command *c, int argc, char **argv)
{
	static struct growth_request q;
	struct fault f = { "" };
	int first, r;

	q = (struct growth_request){ .report = REPORT_REQUEST_DEFAULT };
	q.report.granularity[REPORT_LINES] = true;
	r = options_parse(c, argc, argv, &q, &first, &f);
	for (int i = 0; i < REPORT_GRANULARITIES; i++)
		if (q.report.granularity[i] && i != REPORT_LINES)
			q.report.granularity[REPORT_LINES] = false;
	if (!r && argc - first > 1)
		r = fault_set(&f, -EINVAL, "%s: more than one SOURCE; `heaptap growth --help` shows how",
			      argv[first + 1]);
	if (!r && (*q.report.sources.base || *q.report.sources.diff_base || q.report.sources.peak))
		r = fault_set(&f, -EINVAL,
			      "growth: looks at all snapshots of a run; leave out -base, -diff_base and -peak");
	if (!r)
		r = report_options_finish(c->name, argc - first, argv + first, &q.report, &f);
	return r ? options_status(r, &f) : growth(&q, argv[first]);
}

const struct command command_growth = {
	.name = "growth",
	.synopsis = "[OPTIONS] DIR",
	.summary = "which stacks keep growing over the snapshots of a run: leak, plateau or spike",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.more = report_option_table,
	.n_more = REPORT_OPTION_COUNT,
	.notes =
		"leak: grew in several steps, and the second half of the time brought a quarter of it or more;\n"
		"plateau: grew otherwise; spike: was twice as high as it began and ended.  ± is the 95 % error; "
		"the\n"
		"slope is that of the second half; age is the mean age of what is in use at the end.\n\nexamples:\n"
		"  heaptap growth heaptap.server.4711\n"
		"  heaptap growth -nodecount=5 -focus=cache heaptap.server.4711\n"
		"  heaptap growth --suppressions=lsan.supp heaptap.server.4711\n",
	.run = growth_run,
};
