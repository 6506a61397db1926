/* collectord/profile/report_labels.c - the lines above a report, and numbers in its unit; see report_work.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collectord/profile/report_work.h"

#define FILTER_SHOWN 80 /* bytes of a filter's expression */

/* --- text -------------------------------------------------------------------------------------------- */

static char *format_in_arena(struct report *r, const char *fmt, va_list ap) PRINTF(2, 0);

static char *format_in_arena(struct report *r, const char *fmt, va_list ap)
{
	char *text = NULL, *kept = NULL;
	int n = vasprintf(&text, fmt, ap);

	if (n >= 0)
		kept = profile_alloc(r->p, (size_t)n + 1, 1);
	if (kept)
		memcpy(kept, text, (size_t)n + 1);
	free(n >= 0 ? text : NULL);
	return kept;
}

char *report_format_string(struct report *r, const char *fmt, ...)
{
	static char nothing[1];
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = format_in_arena(r, fmt, ap);
	va_end(ap);
	r->failed |= !text;
	return text ? text : nothing;
}

void report_label(struct report *r, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = format_in_arena(r, fmt, ap);
	va_end(ap);
	r->failed |= !text || !profile_reserve(r->p, &r->labels, r->n_labels, &r->labels_room, sizeof(*r->labels));
	if (!r->failed)
		r->labels[r->n_labels++] = text;
}

void report_print_labels(const struct report *r, FILE *out)
{
	for (uint32_t i = 0; i < r->n_labels; i++)
		fprintf(out, "%s%s", i ? "\n" : "", r->labels[i]);
	fputc('\n', out);
}

/* --- numbers ----------------------------------------------------------------------------------------- */

const char *report_text(const struct report *r, int64_t v, char buf[REPORT_NUMBER_MAX])
{
	double ratio = 1 / r->o.divide_by;

	if (ratio > 0 && ratio != 1)
		v = report_trunc((double)v * ratio);
	report_number(buf, v, r->unit, r->out_unit);
	return buf;
}

const char *report_share(int64_t v, int64_t total, char buf[REPORT_NUMBER_MAX])
{
	report_percentage(buf, v, total);
	return buf + strspn(buf, " ");
}

/* --- header lines ------------------------------------------------------------------------------------ */

static void label_time(struct report *r)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t ns = r->p->time_nanos;
	time_t t = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
	struct tm tm;

	if (!ns || !localtime_r(&t, &tm))
		return;
	if (r->o.upstream)
		report_label(r, "Time: %04d-%02d-%02d %02d:%02d:%02d %s", tm.tm_year + 1900, tm.tm_mon + 1,
			     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_zone);
	else
		report_label(r, "Time: %s %d, %d at %d:%02d%s (%s)", months[tm.tm_mon], tm.tm_mday,
			     tm.tm_year + 1900, tm.tm_hour % 12 ? tm.tm_hour % 12 : 12, tm.tm_min,
			     tm.tm_hour < 12 ? "am" : "pm", tm.tm_zone);
}

static void label_duration(struct report *r)
{
	char duration[REPORT_NUMBER_MAX], total[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX];
	const char *unit, *open = "", *close = "";
	double ns = report_scale(r->total, r->unit, "nanoseconds", &unit);

	if (!r->p->duration_nanos)
		return;
	report_number(duration, r->p->duration_nanos, "nanoseconds", "auto");
	*share = '\0';
	if (!strcmp(unit, "ns") && ns != 0) {
		report_percentage(share, report_trunc(ns), r->p->duration_nanos);
		open = "(";
		close = ")";
	}
	report_label(r, "Duration: %s, Total samples = %s %s%s%s", duration, report_text(r, r->total, total), open,
		     share, close);
}

void report_profile_labels(struct report *r)
{
	const struct profile *p = r->p;

	if (p->n_mappings && *p->mappings[0].file)
		report_label(r, "File: %s", graph_base(r->p, p->mappings[0].file));
	if (p->n_mappings && *p->mappings[0].build_id)
		report_label(r, "Build ID: %s", p->mappings[0].build_id);
	for (size_t i = 0; i < p->n_comments; i++)
		if (p->comments[i][0] != '#')
			report_label(r, "%s", p->comments[i]);
	if (*r->out_type)
		report_label(r, "Type: %s", r->out_type);
	if (r->o.upstream && *p->doc_url)
		report_label(r, "Doc: %s", p->doc_url);
	label_time(r);
	label_duration(r);
}

static void label_filters(struct report *r)
{
	const struct {
		const char *name, *value;
	} filters[] = {
		{ "focus", r->o.focus },         { "ignore", r->o.ignore },       { "hide", r->o.hide },
		{ "show", r->o.show },           { "show_from", r->o.show_from }, { "tagfocus", r->o.tagfocus },
		{ "tagignore", r->o.tagignore }, { "tagshow", r->o.tagshow },     { "taghide", r->o.taghide },
	};
	bool first = true;

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		char *line;

		if (!*filters[i].value)
			continue;
		if (first)
			report_label(r, "Active filters:");
		first = false;
		line = report_format_string(r, "%s=%s", filters[i].name, filters[i].value);
		if (strlen(line) > FILTER_SHOWN)
			report_label(r, "   %.*s…", FILTER_SHOWN, line);
		else
			report_label(r, "   %s", line);
	}
}

/* What was dropped is said in terms of the total, though the graph's own sum decided. */
static void label_dropped(struct report *r, int64_t n, const char *what, const char *by, double fraction)
{
	char limit[REPORT_NUMBER_MAX];

	if (n > 0)
		report_label(r, "Dropped %" PRId64 " %s%s (%s <= %s)", n, what, n > 1 ? "s" : "", by,
			     report_text(r, report_abs(report_trunc((double)r->total * fraction)), limit));
}

void report_labels(struct report *r, bool full)
{
	char shown[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX], total[REPORT_NUMBER_MAX];
	int64_t sum = 0;

	if (full || !r->o.compact_labels)
		report_profile_labels(r);
	for (uint32_t i = 0; i < r->g->n_order; i++) {
		const struct graph_node *n = &r->g->nodes[r->g->order[i]];

		sum = report_add(sum, report_quotient(n->flat, n->flat_div));
	}
	label_filters(r);
	report_label(r, "Showing nodes accounting for %s, %s of %s total", report_text(r, sum, shown),
		     report_share(sum, r->total, share), report_text(r, r->total, total));
	if (r->total) {
		label_dropped(r, r->dropped_nodes, "node", "cum", r->o.node_fraction);
		if (full)
			label_dropped(r, r->dropped_edges, "edge", "freq", r->o.edge_fraction);
		if (r->g->n_order && r->g->n_order < r->before)
			report_label(r, "Showing top %u nodes out of %" PRId64, r->g->n_order, r->before);
	}
	if (full)
		report_label(r, "\nSee https://git.io/JfYMW for how to read the graph");
}
