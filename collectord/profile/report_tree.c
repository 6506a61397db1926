/* collectord/profile/report_tree.c - the `tree` and `peek` reports: each function between its callers and callees.
 *
 * Weights of edges are never divided by the divisor of -mean, as in pprof. */
#include <errno.h>
#include <stdlib.h>

#include "collectord/profile/report_work.h"

static const char separator[] = "----------------------------------------------------------+-------------\n";
static const char legend[] = "      flat  flat%   sum%        cum   cum%   calls calls% + context \t \t \n";

static int print_edges(const struct report *r, const struct graph_node *n, bool in, FILE *out)
{
	char num[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX];
	int64_t cum = report_quotient(n->cum, n->cum_div);
	const struct graph_edge **edges;
	uint32_t count;
	int err = graph_edges_of(r->g, in ? n->in : n->out, in, &edges, &count);

	if (err)
		return err;
	for (uint32_t i = 0; i < count; i++) {
		const struct graph_edge *e = edges[i];

		report_pad(out, 50, report_text(r, e->weight, num));
		report_percentage(share, e->weight, cum);
		fprintf(out, " %s |   %s%s\n", share, r->g->nodes[in ? e->from : e->to].label,
			e->is_inline ? " (inline)" : "");
	}
	free(edges);
	return 0;
}

static void print_node(const struct report *r, const struct graph_node *n, int64_t sum, FILE *out)
{
	char num[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX], sum_share[REPORT_NUMBER_MAX];
	int64_t flat = report_quotient(n->flat, n->flat_div), cum = report_quotient(n->cum, n->cum_div);

	report_percentage(share, flat, r->total);
	report_percentage(sum_share, sum, r->total);
	report_pad(out, 10, report_text(r, flat, num));
	fprintf(out, " %s %s ", share, sum_share);
	report_pad(out, 10, report_text(r, cum, num));
	report_percentage(share, cum, r->total);
	fprintf(out, " %s                | %s\n", share, n->label);
}

int report_print_tree(struct report *r, FILE *out)
{
	uint32_t matched = 0;
	int64_t sum = 0;
	int err = report_trimmed_graph(r);

	if (err)
		return err;
	report_choose_unit(r);
	report_labels(r, false);
	report_print_labels(r, out);
	fprintf(out, "%s%s", separator, legend);
	for (uint32_t i = 0; i < r->g->n_order && !err; i++) {
		const struct graph_node *n = &r->g->nodes[r->g->order[i]];

		if (r->symbol && !regex_matches(r->symbol, n->label))
			continue;
		matched++;
		sum = report_add(sum, report_quotient(n->flat, n->flat_div));
		fputs(separator, out);
		err = print_edges(r, n, true, out);
		print_node(r, n, sum, out);
		if (!err)
			err = print_edges(r, n, false, out);
	}
	if (r->g->n_order)
		fputs(separator, out);
	if (!err && r->symbol && !matched)
		err = fault_set(r->fault, -EINVAL, "no matches found for regexp: %s", r->o.symbol);
	return err;
}
