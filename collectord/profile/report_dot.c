/* collectord/profile/report_dot.c - the `dot` report: the call graph for graphviz, coloured by share.
 *
 * Nodes in order, each followed by the boxes of its tags; then all edges, heaviest first. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "collectord/profile/report_work.h"

struct drawing {
	struct report *r;
	FILE *out;
	double max_flat;
	bool *has_tags; /* per node */
};

static int64_t flat_of(const struct graph_node *n)
{
	return report_quotient(n->flat, n->flat_div);
}

static int64_t cum_of(const struct graph_node *n)
{
	return report_quotient(n->cum, n->cum_div);
}

/* --- colours ----------------------------------------------------------------------------------------- */

static unsigned byte_of(double v)
{
	return isnan(v) ? 0 : (unsigned)(uint8_t)report_trunc(v * 255.0);
}

/* Red for growth, green for shrinking, grey for little: "#rrggbb". */
static void spell_color(int64_t part, int64_t total, bool background, char buf[8])
{
	double share = (double)part / (double)report_abs(total), red, green, blue;
	double saturation = background ? 0.1 : 1.0, value = background ? 0.93 : 0.7;

	if (!isnan(share))
		share = share > 1 ? 1 : share < -1 ? -1 : share;
	if (fabs(share) < 0.2)
		saturation *= fabs(share) / 0.2;
	if (share > 0)
		share = pow(share, 1.0 - 0.7);
	if (share < 0)
		share = -pow(-share, 1.0 - 0.7);
	red = share < 0 ? value * (1 + saturation * share) : value;
	green = share < 0 ? value : value * (1 - saturation * share);
	blue = value * (1 - saturation);
	snprintf(buf, 8, "#%02x%02x%02x", byte_of(red), byte_of(green), byte_of(blue));
}

/* --- parts ------------------------------------------------------------------------------------------- */

/* pprof writes the title, a file's name, as it is: then that name could be statements of the drawing, links to
 * scripts among them. */
static void draw_legend(struct drawing *d, const char *title)
{
	struct report *r = d->r;

	fprintf(d->out, "digraph \"%s\" {\nnode [style=filled fillcolor=\"#f8f8f8\"]\n",
		*title ? report_dot_escape(r, title) : "unnamed");
	if (!r->n_labels)
		return;
	fprintf(d->out, "subgraph cluster_L { \"%s\" [shape=box fontsize=16 label=\"",
		report_dot_escape(r, r->labels[0]));
	for (uint32_t i = 0; i < r->n_labels; i++)
		fprintf(d->out, "%s\\l", report_dot_escape(r, r->labels[i]));
	fputc('"', d->out);
	if (*title)
		fprintf(d->out, " tooltip=\"%s\"", report_dot_escape(r, title));
	fputs("] }\n", d->out);
}

static int font_size(const struct drawing *d, int64_t flat)
{
	double size = (double)report_abs(flat);

	if (d->max_flat == 0 || !flat || size > d->max_flat)
		return 8;
	return 8 + (int)ceil(16.0 * sqrt(size / d->max_flat));
}

static void draw_node(struct drawing *d, const struct graph_node *n)
{
	struct report *r = d->r;
	int64_t flat = flat_of(n), cum = cum_of(n);
	char flat_text[REPORT_NUMBER_MAX], cum_text[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX];
	char line[8], fill[8];

	report_text(r, flat, flat_text);
	report_text(r, cum, cum_text);
	fprintf(d->out, "N%u [label=\"%s\\n", n->position, report_dot_name(r, &n->key));
	if (flat)
		fprintf(d->out, "%s (%s)", flat_text, report_share(flat, r->total, share));
	else
		fputc('0', d->out);
	if (cum != flat)
		fprintf(d->out, "%sof %s (%s)", flat ? "\\n" : " ", cum_text, report_share(cum, r->total, share));
	spell_color(cum, r->total, false, line);
	spell_color(cum, r->total, true, fill);
	fprintf(d->out,
		"\" id=\"node%u\" fontsize=%d shape=box tooltip=\"%s (%s)\" color=\"%s\" fillcolor=\"%s\"]\n",
		n->position, font_size(d, flat), report_dot_escape(r, n->label), cum != flat ? cum_text : flat_text,
		line, fill);
}

/* A share of the total as a whole number up to `max`. */
static int share_of(int64_t v, int64_t total, int64_t max)
{
	int64_t product = (int64_t)((uint64_t)v * (uint64_t)max);
	int64_t share = report_abs(report_quotient(product, total));

	return (int)(share < max ? share : max);
}

static void draw_edge(struct drawing *d, const struct graph_edge *e)
{
	struct report *r = d->r;
	const struct graph_node *from = &r->g->nodes[e->from], *to = &r->g->nodes[e->to];
	int64_t v = report_quotient(e->weight, e->weight_div);
	char w[REPORT_NUMBER_MAX], color[8], *tooltip;

	report_text(r, v, w);
	fprintf(d->out, "N%u -> N%u [label=\" %s%s\"", from->position, to->position, w,
		e->is_inline ? "\\n (inline)" : "");
	if (r->total) {
		int weight = 1 + share_of(v, r->total, 100), width = 1 + share_of(v, r->total, 5);

		if (weight > 1)
			fprintf(d->out, " weight=%d", weight);
		if (width > 1)
			fprintf(d->out, " penwidth=%d", width);
		spell_color(v, r->total, false, color);
		fprintf(d->out, " color=\"%s\"", color);
	}
	tooltip = report_format_string(r, "%s %s %s (%s)", report_dot_escape(r, from->label),
				       e->residual ? "..." : "->", report_dot_escape(r, to->label), w);
	fprintf(d->out, " tooltip=\"%s\" labeltooltip=\"%s\"%s%s]\n", tooltip, tooltip,
		e->residual ? " style=\"dotted\"" : "", d->has_tags[e->from] ? " minlen=2" : "");
}

static int draw_edges(struct drawing *d)
{
	const struct graph *g = d->r->g;
	const struct graph_edge **all = calloc((size_t)g->n_edges + 1, sizeof(const struct graph_edge *));
	uint32_t n = 0;

	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->n_order; i++)
		for (uint32_t e = g->nodes[g->order[i]].out; e != PROFILE_NONE; e = g->edges[e].next_out)
			if (!g->edges[e].cut)
				all[n++] = &g->edges[e];
	graph_sort_edges(g, all, n);
	for (uint32_t i = 0; i < n; i++)
		draw_edge(d, all[i]);
	free(all);
	return 0;
}

static int draw_graph(struct drawing *d)
{
	struct graph *g = d->r->g;

	for (uint32_t i = 0; i < g->n_nodes; i++)
		g->nodes[i].position = 0;
	for (uint32_t i = 0; i < g->n_order; i++) {
		double flat = (double)report_abs(flat_of(&g->nodes[g->order[i]]));

		g->nodes[g->order[i]].position = i + 1;
		d->max_flat = !i || flat > d->max_flat ? flat : d->max_flat;
	}
	for (uint32_t i = 0; i < g->n_order; i++) {
		const struct graph_node *n = &g->nodes[g->order[i]];

		draw_node(d, n);
		d->has_tags[g->order[i]] = report_dot_tags(d->r, n, n->position, d->out);
	}
	return draw_edges(d);
}

int report_print_dot(struct report *r, FILE *out)
{
	struct drawing d = { .r = r, .out = out };
	const char *title = "";
	int err = report_trimmed_graph(r);

	if (err)
		return err;
	report_choose_unit(r);
	report_labels(r, true);
	if (r->p->n_mappings && *r->p->mappings[0].file)
		title = graph_base(r->p, r->p->mappings[0].file);
	d.has_tags = calloc((size_t)r->g->n_nodes + 1, 1);
	if (!d.has_tags || !title)
		err = -ENOMEM;
	if (!err)
		draw_legend(&d, title);
	if (!err && r->g->n_order)
		err = draw_graph(&d);
	fputs("}\n", out);
	free(d.has_tags);
	return err;
}
