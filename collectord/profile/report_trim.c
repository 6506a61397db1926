/* collectord/profile/report_trim.c - order and size of the call graph: what a report shows, and what comes first.
 */
#include <errno.h>
#include <math.h>
#include <inttypes.h>
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

/* --- order of nodes ---------------------------------------------------------------------------------- */

/* The last resort between nodes that look alike: their keys as text, as Go prints a struct. */
static int by_key(const struct graph_key *a, const struct graph_key *b)
{
	char *ta = NULL, *tb = NULL;
	int r = 0;

	if (asprintf(&ta, "{%s  %" PRIu64 " %s %" PRId64 " %" PRId64 " %s}", a->name, a->address, a->file,
		     a->start_line, a->line, a->object) < 0)
		return 0;
	if (asprintf(&tb, "{%s  %" PRIu64 " %s %" PRId64 " %" PRId64 " %s}", b->name, b->address, b->file,
		     b->start_line, b->line, b->object) >= 0)
		r = strcmp(ta, tb);
	free(ta);
	free(tb);
	return r;
}

static int by_score(const void *pa, const void *pb, void *arg)
{
	const struct graph *g = arg;
	const struct graph_node *a = &g->nodes[*(const uint32_t *)pa], *b = &g->nodes[*(const uint32_t *)pb];
	int r = report_by_magnitude(a->score, b->score);

	if (!r)
		r = strcmp(a->label, b->label);
	if (!r)
		r = report_by_magnitude(a->flat, b->flat);
	if (!r)
		r = by_key(&a->key, &b->key);
	return r ? r : a < b ? -1 : a > b;
}

static int by_flat(const void *pa, const void *pb, void *arg)
{
	const struct graph *g = arg;
	const struct graph_node *a = &g->nodes[*(const uint32_t *)pa], *b = &g->nodes[*(const uint32_t *)pb];
	int r = report_by_magnitude(a->flat, b->flat);

	if (!r)
		r = strcmp(a->label, b->label);
	if (!r)
		r = report_by_magnitude(a->cum, b->cum);
	return r ? r : by_key(&a->key, &b->key);
}

/* As Go computes it: by parts, so that powers of two are exact. */
static double log2_of(double v)
{
	int exponent;
	double fraction = frexp(v, &exponent);

	return fraction == 0.5 ? exponent - 1 : log(fraction) * M_LOG2E + exponent;
}

static double share_entropy(int64_t weight, int64_t total)
{
	double share = (double)report_abs(weight) / (double)total;

	return -share * log2_of(share);
}

/* How mixed a node's callers or callees are; its own share counts as one. */
static double edges_entropy(const struct graph *g, uint32_t head, bool in, int64_t self)
{
	int64_t total = self;
	double sum = 0;

	for (uint32_t e = head; e != PROFILE_NONE; e = in ? g->edges[e].next_in : g->edges[e].next_out)
		if (!g->edges[e].cut && g->edges[e].weight > 0)
			total = report_add(total, g->edges[e].weight);
	if (!total)
		return 0;
	for (uint32_t e = head; e != PROFILE_NONE; e = in ? g->edges[e].next_in : g->edges[e].next_out)
		if (!g->edges[e].cut)
			sum += share_entropy(g->edges[e].weight, total);
	return self > 0 ? sum + share_entropy(self, total) : sum;
}

static bool has_edges(const struct graph *g, uint32_t head, bool in)
{
	for (uint32_t e = head; e != PROFILE_NONE; e = in ? g->edges[e].next_in : g->edges[e].next_out)
		if (!g->edges[e].cut)
			return true;
	return false;
}

/* Entry points, leaves and nodes where many paths meet come first. */
static int64_t entropy_score(const struct graph *g, const struct graph_node *n)
{
	double score = has_edges(g, n->in, true) ? edges_entropy(g, n->in, true, 0) : 1;

	score += has_edges(g, n->out, false) ? edges_entropy(g, n->out, false, n->flat) : 1;
	return report_add(report_trunc(score * (double)n->cum), n->flat);
}

void graph_sort(struct graph *g, enum graph_sort_by by)
{
	for (uint32_t i = 0; i < g->n_order && by != GRAPH_BY_FLAT; i++) {
		struct graph_node *n = &g->nodes[g->order[i]];

		n->score = by == GRAPH_BY_CUM ? n->cum : entropy_score(g, n);
	}
	qsort_r(g->order, g->n_order, sizeof(*g->order), by == GRAPH_BY_FLAT ? by_flat : by_score, g);
}

/* --- order of edges ---------------------------------------------------------------------------------- */

static int by_weight(const void *pa, const void *pb, void *arg)
{
	const struct graph *g = arg;
	const struct graph_edge *a = *(const struct graph_edge *const *)pa;
	const struct graph_edge *b = *(const struct graph_edge *const *)pb;
	int r;

	if (a->weight != b->weight)
		return report_by_magnitude(a->weight, b->weight);
	r = strcmp(g->nodes[a->from].label, g->nodes[b->from].label);
	if (!r)
		r = strcmp(g->nodes[a->to].label, g->nodes[b->to].label);
	return r;
}

void graph_sort_edges(const struct graph *g, const struct graph_edge **edges, uint32_t n)
{
	qsort_r(edges, n, sizeof(const struct graph_edge *), by_weight, (void *)(uintptr_t)g);
}

int graph_edges_of(const struct graph *g, uint32_t head, bool in, const struct graph_edge ***ret, uint32_t *ret_n)
{
	uint32_t n = 0;
	const struct graph_edge **all;

	for (uint32_t e = head; e != PROFILE_NONE; e = in ? g->edges[e].next_in : g->edges[e].next_out)
		n++;
	all = calloc((size_t)n + 1, sizeof(const struct graph_edge *));
	if (!all)
		return -ENOMEM;
	n = 0;
	for (uint32_t e = head; e != PROFILE_NONE; e = in ? g->edges[e].next_in : g->edges[e].next_out)
		if (!g->edges[e].cut)
			all[n++] = &g->edges[e];
	graph_sort_edges(g, all, n);
	*ret = all;
	*ret_n = n;
	return 0;
}

/* --- cutting ----------------------------------------------------------------------------------------- */

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
	uint32_t dropped = 0;

	for (uint32_t i = 0; i < g->n_order; i++)
		dropped += report_abs(g->nodes[g->order[i]].cum) < cutoff;
	if (!dropped)
		return 0;
	for (uint32_t i = 0; i < g->n_nodes; i++)
		g->nodes[i].kept = false;
	for (uint32_t i = 0; i < g->n_order; i++)
		g->nodes[g->order[i]].kept = report_abs(g->nodes[g->order[i]].cum) >= cutoff;
	return dropped;
}

uint32_t graph_cut_edges(struct graph *g, int64_t cutoff)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_order; i++)
		for (uint32_t e = g->nodes[g->order[i]].in; e != PROFILE_NONE; e = g->edges[e].next_in)
			if (!g->edges[e].cut && report_abs(g->edges[e].weight) < cutoff) {
				g->edges[e].cut = true;
				n++;
			}
	return n;
}

void graph_cut_tags(struct graph *g, int64_t cutoff)
{
	for (uint32_t i = 0; i < g->n_tags; i++) {
		struct graph_tag *t = &g->tags[i];

		if (report_abs(t->flat) < cutoff && report_abs(t->cum) < cutoff)
			t->cut = true;
	}
}

uint32_t graph_count_boxes(const struct graph *g, uint32_t n)
{
	uint64_t boxes = 0;

	for (uint32_t i = 0; i < g->n_order; i++) {
		uint32_t tags = 0;

		for (uint32_t t = g->nodes[g->order[i]].tags; t != PROFILE_NONE; t = g->tags[t].next)
			tags += !g->tags[t].cut && g->tags[t].flat;
		boxes += (tags < GRAPH_BOXES_MAX ? tags : GRAPH_BOXES_MAX) + 1;
		if (boxes >= n)
			return i + 1;
	}
	return n;
}

/* --- redundant edges --------------------------------------------------------------------------------- */

struct search {
	const struct graph *g;
	uint32_t *seen; /* per node: the search that reached it last */
	uint32_t *queue;
	uint32_t number;
};

/* Does another way than edge `e` lead from its source to its end? */
static bool is_redundant(struct search *s, const struct graph_edge *e)
{
	uint32_t head = 0, tail = 0;

	s->number++;
	s->seen[e->to] = s->number;
	s->queue[tail++] = e->to;
	while (head < tail) {
		for (uint32_t i = s->g->nodes[s->queue[head++]].in; i != PROFILE_NONE; i = s->g->edges[i].next_in) {
			const struct graph_edge *in = &s->g->edges[i];

			if (in->cut || in == e || s->seen[in->from] == s->number)
				continue;
			if (in->from == e->from)
				return true;
			s->seen[in->from] = s->number;
			s->queue[tail++] = in->from;
		}
	}
	return false;
}

static int cut_redundant_into(struct search *s, struct graph *g, uint32_t head)
{
	const struct graph_edge **in;
	uint32_t n;
	int r = graph_edges_of(g, head, true, &in, &n);

	if (r)
		return r;
	while (n-- > 0 && in[n]->residual)
		if (is_redundant(s, in[n]))
			g->edges[in[n] - g->edges].cut = true;
	free(in);
	return 0;
}

int graph_cut_redundant(struct graph *g)
{
	struct search s = { .g = g };
	int r = 0;

	s.seen = calloc((size_t)g->n_nodes + 1, sizeof(*s.seen));
	s.queue = calloc((size_t)g->n_nodes + 1, sizeof(*s.queue));
	if (!s.seen || !s.queue)
		r = -ENOMEM;
	for (uint32_t i = g->n_order; i-- > 0 && !r;)
		r = cut_redundant_into(&s, g, g->nodes[g->order[i]].in);
	free(s.seen);
	free(s.queue);
	return r;
}
