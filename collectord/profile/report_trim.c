/* collectord/profile/report_trim.c - order and size of the call graph: what a report shows, and what comes first.
 */
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_format.h"
#include "collectord/profile/report_graph.h"

int64_t graph_flat_sum(const struct graph *g)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < g->n_order; i++)
		sum = report_add(sum, g->nodes[g->order[i]].flat);
	return sum;
}

static int by_magnitude(int64_t a, int64_t b)
{
	a = report_abs(a);
	b = report_abs(b);
	return a > b ? -1 : a < b;
}

/* The last resort between nodes that look alike: their keys as text, as Go prints a struct. */
static int by_key(const struct graph_key *a, const struct graph_key *b)
{
	char ta[160], tb[160];
	int r = strcmp(a->name, b->name);

	if (!r)
		r = strcmp(a->file, b->file);
	if (r)
		return r;
	snprintf(ta, sizeof(ta), "%ld %ld", (long)a->start_line, (long)a->line);
	snprintf(tb, sizeof(tb), "%ld %ld", (long)b->start_line, (long)b->line);
	r = strcmp(ta, tb);
	return r ? r : strcmp(a->object, b->object);
}

static int compare(const void *pa, const void *pb, void *arg, bool by_cum)
{
	const struct graph *g = arg;
	const struct graph_node *a = &g->nodes[*(const uint32_t *)pa], *b = &g->nodes[*(const uint32_t *)pb];
	int r = by_cum ? by_magnitude(a->cum, b->cum) : by_magnitude(a->flat, b->flat);

	if (!r)
		r = strcmp(a->label, b->label);
	if (!r)
		r = by_cum ? by_magnitude(a->flat, b->flat) : by_magnitude(a->cum, b->cum);
	return r ? r : by_key(&a->key, &b->key);
}

static int compare_flat(const void *a, const void *b, void *g)
{
	return compare(a, b, g, false);
}

static int compare_cum(const void *a, const void *b, void *g)
{
	return compare(a, b, g, true);
}

void graph_sort(struct graph *g, bool by_cum)
{
	qsort_r(g->order, g->n_order, sizeof(*g->order), by_cum ? compare_cum : compare_flat, g);
}

/* Keep exactly the first `n` of `order`; without effect when those are all there are. */
uint32_t graph_keep_first(struct graph *g, uint32_t n)
{
	if (n >= g->n_order)
		return 0;
	for (uint32_t i = 0; i < g->n_nodes; i++)
		g->nodes[i].kept = false;
	for (uint32_t i = 0; i < n; i++)
		g->nodes[g->order[i]].kept = true;
	return g->n_order - n;
}

uint32_t graph_drop_light(struct graph *g, int64_t cutoff)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_order; i++) {
		uint32_t at = g->order[i];

		if (report_abs(g->nodes[at].cum) >= cutoff) {
			g->order[i] = g->order[n];
			g->order[n++] = at;
		}
	}
	return graph_keep_first(g, n);
}

void graph_cut_edges(struct graph *g, int64_t cutoff)
{
	for (uint32_t e = 0; e < g->n_edges; e++)
		g->edges[e].cut = report_abs(g->edges[e].weight) < cutoff;
}
