/* collectord/profile/report_top.c - the `top` report, byte for byte what `go tool pprof -top` prints. */
#include <stdlib.h>

#include "collectord/profile/report_work.h"

#define PLUS_MINUS "\xc2\xb1"

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

static void print_error(const struct report *r, double variance, FILE *out)
{
	char num[REPORT_NUMBER_MAX];

	fputc(' ', out);
	report_pad(out, 9, report_error_text(r, variance, num));
}

/* `errors` by node, or NULL. */
static void print_rows(const struct report *r, const struct report_error *errors, FILE *out)
{
	char num[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX], sum_share[REPORT_NUMBER_MAX];
	int64_t sum = 0;

	if (errors)
		fprintf(out, "%10s %8s" PLUS_MINUS " %5s%% %5s%% %10s %8s" PLUS_MINUS " %5s%%\n", "flat", "",
			"flat", "sum", "cum", "", "cum");
	else
		fprintf(out, "%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
	for (uint32_t i = 0; i < r->g->n_order; i++) {
		const struct graph_node *n = &r->g->nodes[r->g->order[i]];
		int64_t flat = report_quotient(n->flat, n->flat_div), cum = report_quotient(n->cum, n->cum_div);

		sum = report_add(sum, flat);
		report_percentage(share, flat, r->total);
		report_percentage(sum_share, sum, r->total);
		report_pad(out, 10, report_text(r, flat, num));
		if (errors)
			print_error(r, errors[r->g->order[i]].flat, out);
		fprintf(out, " %s %s ", share, sum_share);
		report_pad(out, 10, report_text(r, cum, num));
		if (errors)
			print_error(r, errors[r->g->order[i]].cum, out);
		report_percentage(share, cum, r->total);
		fprintf(out, " %s  %s%s\n", share, n->label, inline_mark(r->g, n));
	}
}

int report_print_top(struct report *r, FILE *out)
{
	struct report_error *errors = NULL;
	int err = report_trimmed_graph(r);

	if (!err && r->o.error)
		err = report_find_errors(r, &errors);
	if (err)
		return err;
	report_choose_unit(r);
	report_labels(r, false);
	if (errors)
		report_label(r, PLUS_MINUS " is half the 95%% interval");
	report_print_labels(r, out);
	print_rows(r, errors, out);
	free(errors);
	return 0;
}
