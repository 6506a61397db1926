/* collectord/profile/report_top.c - the `top` report, byte for byte what `go tool pprof -top` prints.
 *
 * Weigh all, drop what is light, keep the first N, choose one unit for all numbers, print. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "collectord/profile/report.h"
#include "collectord/profile/report_format.h"
#include "collectord/profile/report_graph.h"

#define EDGE_FRACTION 0.001 /* pprof's default */

struct report {
	const struct profile *p;
	const struct report_options *o;
	struct graph *g;
	int64_t total;            /* sum of |value| over all samples, shown or not */
	uint32_t dropped, before; /* nodes too light; nodes before the limit of node_count */
	const char *unit;         /* of the sample type */
	const char *out_unit;     /* all numbers are printed in this one */
};

static int64_t total_of(const struct profile *p, size_t type)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++)
		sum = report_add(sum, report_abs(p->samples[i].values[type]));
	return sum;
}

/* Cutoffs come from what the full graph accounts for; the header names the one computed from the total. */
static int trim(struct report *r)
{
	const struct report_options *o = r->o;
	double sum;
	int64_t node_cutoff;
	int err = graph_weigh(r->g, r->p, o->sample_type);

	if (err)
		return err;
	sum = (double)graph_flat_sum(r->g);
	node_cutoff = report_abs((int64_t)(sum * o->node_fraction));
	r->dropped = graph_drop_light(r->g, node_cutoff);
	if (r->dropped)
		err = graph_weigh(r->g, r->p, o->sample_type);
	if (err)
		return err;
	r->before = r->g->n_order;
	graph_sort(r->g, o->cum);
	if (o->node_count > 0 && graph_keep_first(r->g, (uint32_t)o->node_count)) {
		err = graph_weigh(r->g, r->p, o->sample_type);
		graph_sort(r->g, o->cum);
	}
	graph_cut_edges(r->g, report_abs((int64_t)(sum * EDGE_FRACTION)));
	return err;
}

/* One unit for the whole report: that of the smallest number, or of 100 times it if the total is far larger. */
static void choose_unit(struct report *r)
{
	int64_t min = 0;
	const char *min_unit, *max_unit;

	r->out_unit = REPORT_UNIT_AUTO;
	if (!r->g->n_order)
		return;
	for (uint32_t i = 0; i < r->g->n_order; i++) {
		const struct graph_node *n = &r->g->nodes[r->g->order[i]];
		int64_t v = report_abs(n->flat ? n->flat : n->cum);

		if (v > 0 && (!min || v < min))
			min = v;
	}

	report_scale(min, r->unit, REPORT_UNIT_AUTO, &min_unit);
	report_scale(r->total, r->unit, REPORT_UNIT_AUTO, &max_unit);
	if (strcmp(min_unit, max_unit) && (int64_t)((uint64_t)min * 100) < r->total)
		report_scale((int64_t)((uint64_t)min * 100), r->unit, REPORT_UNIT_AUTO, &min_unit);
	r->out_unit = *min_unit ? min_unit : r->unit;
}

static const char *number(const struct report *r, int64_t v, char buf[REPORT_NUMBER_MAX])
{
	report_number(buf, v, r->unit, r->out_unit);
	return buf;
}

static void print_time(const struct profile *p, FILE *out)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)(p->time_nanos / 1000000000 - (p->time_nanos % 1000000000 < 0));
	struct tm tm;

	if (!p->time_nanos || !localtime_r(&t, &tm))
		return;
	fprintf(out, "Time: %s %d, %d at %d:%02d%s (%s)\n", months[tm.tm_mon], tm.tm_mday, tm.tm_year + 1900,
		tm.tm_hour % 12 ? tm.tm_hour % 12 : 12, tm.tm_min, tm.tm_hour < 12 ? "am" : "pm", tm.tm_zone);
}

static void print_duration(const struct report *r, FILE *out)
{
	char duration[REPORT_NUMBER_MAX], total[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX] = "";
	const char *unit;
	double ns = report_scale(r->total, r->unit, "nanoseconds", &unit);

	if (!r->p->duration_nanos)
		return;
	report_number(duration, r->p->duration_nanos, "nanoseconds", "auto");
	fprintf(out, "Duration: %s, Total samples = %s ", duration, number(r, r->total, total));
	if (!strcmp(unit, "ns") && ns != 0) {
		report_percentage(share, (int64_t)ns, r->p->duration_nanos);
		fprintf(out, "(%s)", share);
	}
	fputc('\n', out);
}

static void print_profile_labels(const struct report *r, FILE *out)
{
	const struct profile *p = r->p;
	const struct profile_mapping *main = p->n_mappings ? p->mappings : NULL;
	const char *title = r->o->title ? r->o->title : main ? main->file : "", *base = strrchr(title, '/');

	if (*title)
		fprintf(out, "File: %s\n", base && base[1] ? base + 1 : title);
	if (main && *main->build_id)
		fprintf(out, "Build ID: %s\n", main->build_id);
	for (size_t i = 0; i < p->n_comments; i++)
		if (p->comments[i][0] != '#')
			fprintf(out, "%s\n", p->comments[i]);
	if (*p->sample_types[r->o->sample_type].type)
		fprintf(out, "Type: %s\n", p->sample_types[r->o->sample_type].type);
	print_time(p, out);
	print_duration(r, out);
}

static void print_labels(const struct report *r, FILE *out)
{
	char shown[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX], total[REPORT_NUMBER_MAX];
	int64_t sum = graph_flat_sum(r->g);

	print_profile_labels(r, out);
	report_percentage(share, sum, r->total);
	fprintf(out, "Showing nodes accounting for %s, %s of %s total\n", number(r, sum, shown),
		share + strspn(share, " "), number(r, r->total, total));
	if (r->total && r->dropped)
		fprintf(out, "Dropped %u node%s (cum <= %s)\n", r->dropped, r->dropped > 1 ? "s" : "",
			number(r, report_abs((int64_t)((double)r->total * r->o->node_fraction)), shown));
	if (r->total && r->g->n_order && r->g->n_order < r->before)
		fprintf(out, "Showing top %u nodes out of %u\n", r->g->n_order, r->before);
}

static const char *inline_mark(const struct graph *g, const struct graph_node *n)
{
	bool some = false, all = true;

	for (uint32_t e = n->in; e != PROFILE_NONE; e = g->edges[e].next_in) {
		if (g->edges[e].cut)
			continue;
		some |= g->edges[e].is_inline;
		all &= g->edges[e].is_inline;
	}
	return !some ? "" : all ? " (inline)" : " (partial-inline)";
}

static void print_rows(const struct report *r, FILE *out)
{
	char num[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX], sum_share[REPORT_NUMBER_MAX];
	int64_t sum = 0;

	fprintf(out, "%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
	for (uint32_t i = 0; i < r->g->n_order; i++) {
		const struct graph_node *n = &r->g->nodes[r->g->order[i]];

		sum = report_add(sum, n->flat);
		report_percentage(share, n->flat, r->total);
		report_percentage(sum_share, sum, r->total);
		report_pad(out, 10, number(r, n->flat, num));
		fprintf(out, " %s %s ", share, sum_share);
		report_pad(out, 10, number(r, n->cum, num));
		report_percentage(share, n->cum, r->total);
		fprintf(out, " %s  %s%s\n", share, n->label, inline_mark(r->g, n));
	}
}

int report_top(const struct profile *p, const struct report_options *o, FILE *out)
{
	struct report r = { .p = p, .o = o };
	int err;

	if (o->sample_type >= p->n_sample_types)
		return -EINVAL;
	r.unit = p->sample_types[o->sample_type].unit;
	r.total = total_of(p, o->sample_type);
	err = graph_new(p, &r.g);
	if (!err)
		err = trim(&r);
	if (!err) {
		choose_unit(&r);
		print_labels(&r, out);
		print_rows(&r, out);
	}
	graph_free(r.g);
	return err;
}
