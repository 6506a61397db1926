/* collectord/profile/report_calltree.c - the call tree: a node per path instead of per function; see
 * report_graph.h.
 *
 * Nodes that trimming takes out leave their children to their parent, over edges marked residual. */
#include <errno.h>

#include "collectord/profile/report_format.h"
#include "collectord/profile/report_graph.h"

struct climb {
	struct graph *g;
	const struct graph_weights *w;
	const struct profile_sample *sample;
	int64_t weight, divisor;
	const char *labels;
	uint32_t parent;
};

static int climb_line(struct climb *c, const struct profile_location *l, uint32_t line)
{
	struct graph_key k = graph_key_of(c->g, l, line);
	uint32_t at = graph_add_node(c->g, c->parent, &k);
	struct graph_edge *e;

	if (at == PROFILE_NONE)
		return -ENOMEM;
	c->g->nodes[at].cum = report_add(c->g->nodes[at].cum, c->weight);
	c->g->nodes[at].cum_div = report_add(c->g->nodes[at].cum_div, c->divisor);
	if (c->g->with_tags && graph_add_tags(c->g, c->w, at, c->sample, c->labels, false))
		return -ENOMEM;
	if (c->parent != PROFILE_NONE) {
		e = graph_edge_get(c->g, c->parent, at);
		if (!e)
			return -ENOMEM;
		e->weight = report_add(e->weight, c->weight);
		e->weight_div = report_add(e->weight_div, c->divisor);
		e->is_inline &= line + 1 < l->n_lines;
	}
	c->parent = at;
	return 0;
}

static int climb_sample(struct climb *c)
{
	const struct profile *p = c->g->p;
	struct graph_node *leaf;

	for (uint32_t i = c->sample->n_locations; i-- > 0;) {
		const struct profile_location *l = &p->locations[c->sample->locations[i]];

		for (uint32_t line = l->n_lines ? l->n_lines : 1; line-- > 0;) {
			int r = climb_line(c, l, line);

			if (r)
				return r;
		}
	}
	if (c->parent == PROFILE_NONE)
		return 0;
	leaf = &c->g->nodes[c->parent];
	leaf->flat = report_add(leaf->flat, c->weight);
	leaf->flat_div = report_add(leaf->flat_div, c->divisor);
	return c->g->with_tags ? graph_add_tags(c->g, c->w, c->parent, c->sample, c->labels, true) : 0;
}

int graph_weigh_tree(struct graph *g, const struct graph_weights *w)
{
	for (size_t i = 0; i < g->p->n_samples; i++) {
		struct climb c = { .g = g, .w = w, .sample = &g->p->samples[i], .parent = PROFILE_NONE };
		int r;

		c.weight = c.sample->values[w->type];
		c.divisor = w->mean ? c.sample->values[0] : 0;
		if (!c.weight && !c.divisor)
			continue;
		c.labels = g->with_tags ? graph_join_labels(g, c.sample) : "";
		r = c.labels ? climb_sample(&c) : -ENOMEM;
		if (r)
			return r;
	}
	return 0;
}

/* The edge from the parent; a node of a tree has one at most. */
static struct graph_edge *edge_above(struct graph *g, const struct graph_node *n)
{
	for (uint32_t e = n->in; e != PROFILE_NONE; e = g->edges[e].next_in)
		if (!g->edges[e].cut)
			return &g->edges[e];
	return NULL;
}

static void remove_node(struct graph *g, struct graph_node *n)
{
	struct graph_edge *above = edge_above(g, n);

	for (uint32_t e = n->out, next; e != PROFILE_NONE; e = next) {
		struct graph_edge *below = &g->edges[e];

		next = below->next_out;
		if (below->cut)
			continue;
		if (!above) {
			below->cut = true;
			continue;
		}
		below->residual = true;
		below->is_inline &= above->is_inline;
		below->from = above->from;
		below->next_out = g->nodes[above->from].out;
		g->nodes[above->from].out = e;
	}
	n->out = PROFILE_NONE;
	if (above)
		above->cut = true;
}

void graph_remove_from_tree(struct graph *g)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_order; i++) {
		uint32_t at = g->order[i];

		if (g->nodes[at].kept)
			g->order[n++] = at;
		else
			remove_node(g, &g->nodes[at]);
	}
	g->n_order = n;
}
