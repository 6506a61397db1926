/* collectord/profile/report_graph.c - the call graph: which nodes there are, and what each one weighs.
 *
 * A sample's weight goes once to the cum of every node on its stack, once to every edge, and to the flat of its
 * leaf; where the leaf itself was taken out, to nobody's flat. */
#include "collectord/profile/report_graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/report_format.h"

/* --- nodes ------------------------------------------------------------------------------------------- */

/* The object and the start line tell nodes apart only where there is no name. */
struct graph_key graph_key_of(const struct graph *g, const struct profile_location *l, uint32_t line)
{
	struct graph_key k = { .name = "", .file = "", .object = "", .address = l->address };
	uint32_t f;

	if (!l->n_lines) {
		k.object = l->mapping == PROFILE_NONE ? "" : g->objects[l->mapping];
		return k;
	}
	f = l->lines[line].function;
	k.name = g->names[f];
	k.file = g->files[f];
	k.line = l->lines[line].line;
	if (g->object_names || !*k.name) {
		k.object = l->mapping == PROFILE_NONE ? "" : g->objects[l->mapping];
		k.start_line = g->p->functions[f].start_line;
	}
	return k;
}

static bool key_equal(const struct graph_key *a, const struct graph_key *b)
{
	return a->address == b->address && a->start_line == b->start_line && a->line == b->line &&
	       (a->name == b->name || !strcmp(a->name, b->name)) &&
	       (a->file == b->file || !strcmp(a->file, b->file)) &&
	       (a->object == b->object || !strcmp(a->object, b->object));
}

/* Strings are interned but for the literal "": by first character and address. */
static uint64_t string_bits(const char *s)
{
	return *s ? (uintptr_t)s : 0;
}

static uint32_t key_hash(const struct graph_key *k, uint32_t parent)
{
	uint64_t h = graph_hash(string_bits(k->name), string_bits(k->file));

	h = graph_hash(h, string_bits(k->object) ^ k->address);
	return graph_hash(h ^ (uint64_t)parent << 32, (uint64_t)k->start_line << 32 ^ (uint64_t)k->line);
}

/* A tree's nodes are found by what calls them as well: that is kept in `seen` until nodes are weighed. */
static uint32_t node_hash(const struct graph *g, uint32_t entry)
{
	return key_hash(&g->nodes[entry].key, g->is_tree ? (uint32_t)g->nodes[entry].seen : 0);
}

struct node_key {
	const struct graph_key *key;
	uint32_t parent;
};

static bool same_node(const struct graph *g, uint32_t entry, const void *key)
{
	const struct node_key *k = key;

	return (!g->is_tree || g->nodes[entry].seen == k->parent) && key_equal(&g->nodes[entry].key, k->key);
}

uint32_t graph_add_node(struct graph *g, uint32_t parent, const struct graph_key *k)
{
	struct node_key key = { k, parent };
	uint32_t *slot =
		graph_slot(g, &g->node_table, key_hash(k, g->is_tree ? parent : 0), same_node, &key, node_hash);

	if (!slot)
		return PROFILE_NONE;
	if (*slot)
		return *slot - 1;
	if (!table_reserve(&g->nodes, g->n_nodes, &g->nodes_room, sizeof(*g->nodes)))
		return PROFILE_NONE;
	g->nodes[g->n_nodes] = (struct graph_node){ .key = *k,
						    .in = PROFILE_NONE,
						    .out = PROFILE_NONE,
						    .tags = PROFILE_NONE,
						    .kept = true,
						    .seen = g->is_tree ? parent : 0 };
	g->nodes[g->n_nodes].label = graph_node_label(g->p, k, " ");
	if (!g->nodes[g->n_nodes].label)
		return PROFILE_NONE;
	*slot = ++g->n_nodes;
	return g->n_nodes - 1;
}

static int create_nodes(struct graph *g)
{
	const struct profile *p = g->p;
	uint32_t at = 0;

	for (size_t l = 0; l < p->n_locations; l++) {
		uint32_t lines = p->locations[l].n_lines ? p->locations[l].n_lines : 1;

		g->first_node[l] = at;
		for (uint32_t i = 0; i < lines; i++) {
			struct graph_key k = graph_key_of(g, &p->locations[l], i);

			g->line_nodes[at] = graph_add_node(g, 0, &k);
			if (g->line_nodes[at] == PROFILE_NONE)
				return -ENOMEM;
			g->nodes[g->line_nodes[at++]].is_inlined |= i + 1 < lines;
			g->has_inline |= i + 1 < lines;
		}
	}
	g->first_node[p->n_locations] = at;
	return 0;
}

static int intern_names(struct graph *g)
{
	struct profile *p = g->p;

	g->names = profile_alloc(p, p->n_functions, sizeof(*g->names));
	g->files = profile_alloc(p, p->n_functions, sizeof(*g->files));
	g->objects = profile_alloc(p, p->n_mappings, sizeof(*g->objects));
	if (!g->names || !g->files || !g->objects)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_functions; i++) {
		g->names[i] = profile_string(p, p->functions[i].name);
		g->files[i] = graph_clean_path(p, p->functions[i].filename);
		if (!g->names[i] || !g->files[i])
			return -ENOMEM;
	}
	for (size_t i = 0; i < p->n_mappings; i++) {
		g->objects[i] = profile_string(p, p->mappings[i].file);
		if (!g->objects[i])
			return -ENOMEM;
	}
	return 0;
}

int graph_new(struct profile *p, const struct graph *like, struct graph **ret)
{
	struct graph *g = calloc(1, sizeof(*g));
	size_t n_lines = 1;
	int r;

	if (!g)
		return -ENOMEM;
	g->p = p;
	g->object_names = like->object_names;
	g->is_tree = like->is_tree;
	g->with_tags = like->with_tags;
	g->drop_negative = like->drop_negative;
	g->inline_edges = like->inline_edges;
	for (size_t l = 0; l < p->n_locations; l++)
		n_lines += p->locations[l].n_lines ? p->locations[l].n_lines : 1;
	g->first_node = calloc(p->n_locations + 1, sizeof(*g->first_node));
	g->line_nodes = calloc(n_lines, sizeof(*g->line_nodes));
	r = g->first_node && g->line_nodes ? intern_names(g) : -ENOMEM;
	if (!r && !g->is_tree)
		r = create_nodes(g);
	if (r)
		graph_free(g);
	else
		*ret = g;
	return r;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	free(g->nodes);
	free(g->first_node);
	free(g->line_nodes);
	free(g->order);
	free(g->edges);
	free(g->tags);
	free(g->node_table.slots);
	free(g->edge_table.slots);
	free(g->tag_table.slots);
	free(g);
}

void graph_keep_as(struct graph *g, const struct graph *old)
{
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		struct node_key key = { &g->nodes[i].key, 0 };
		uint32_t size = old->node_table.size, at = key_hash(key.key, 0) & (size - 1);

		g->nodes[i].kept = false;
		for (; old->node_table.slots[at]; at = (at + 1) & (size - 1))
			if (same_node(old, old->node_table.slots[at] - 1, &key))
				g->nodes[i].kept = old->nodes[old->node_table.slots[at] - 1].kept;
	}
}

/* --- weights ----------------------------------------------------------------------------------------- */

/* One sample's walk, root to leaf. */
struct walk {
	struct graph *g;
	const struct graph_weights *w;
	const struct profile_sample *sample;
	uint64_t stamp;
	int64_t weight, divisor;
	const char *labels; /* joined */
	uint32_t parent;    /* last kept node, or PROFILE_NONE */
	bool residual;      /* nodes were skipped since */
};

static int walk_edge(struct walk *w, uint32_t at, bool is_inline)
{
	struct graph_edge *e = graph_edge_get(w->g, w->parent, at);

	if (!e)
		return -ENOMEM;
	if (e->seen != w->stamp) {
		e->weight = report_add(e->weight, w->weight);
		e->weight_div = report_add(e->weight_div, w->divisor);
		e->residual |= w->residual;
		e->is_inline &= is_inline;
	}
	e->seen = w->stamp;
	return 0;
}

static int walk_node(struct walk *w, uint32_t at, bool is_inline)
{
	struct graph_node *n = &w->g->nodes[at];
	int r = 0;

	if (!n->kept) {
		w->residual = true;
		return 0;
	}
	if (n->seen != w->stamp) {
		n->cum = report_add(n->cum, w->weight);
		n->cum_div = report_add(n->cum_div, w->divisor);
		if (w->g->with_tags)
			r = graph_add_tags(w->g, w->w, at, w->sample, w->labels, false);
	}
	n->seen = w->stamp;
	if (!r && w->parent != PROFILE_NONE && w->parent != at && !w->g->without_edges &&
	    (n->is_inlined || !w->g->inline_edges))
		r = walk_edge(w, at, is_inline);
	w->parent = at;
	w->residual = false;
	return r;
}

static int walk_sample(struct walk *w)
{
	const struct profile_sample *s = w->sample;
	struct graph *g = w->g;
	struct graph_node *leaf;

	for (uint32_t i = s->n_locations; i-- > 0;) {
		uint32_t first = g->first_node[s->locations[i]], end = g->first_node[s->locations[i] + 1];

		for (uint32_t l = end; l-- > first;) {
			int r = walk_node(w, g->line_nodes[l], l != end - 1);

			if (r)
				return r;
		}
	}
	if (w->parent == PROFILE_NONE || w->residual)
		return 0;
	leaf = &g->nodes[w->parent];
	leaf->flat = report_add(leaf->flat, w->weight);
	leaf->flat_div = report_add(leaf->flat_div, w->divisor);
	return g->with_tags ? graph_add_tags(g, w->w, w->parent, s, w->labels, true) : 0;
}

static void graph_clear(struct graph *g)
{
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		struct graph_node *n = &g->nodes[i];

		n->flat = n->cum = n->flat_div = n->cum_div = 0;
		n->seen = 0;
		n->in = n->out = n->tags = PROFILE_NONE;
	}
	g->n_edges = g->n_tags = 0;
	graph_table_clear(&g->edge_table);
	graph_table_clear(&g->tag_table);
}

static int weigh_graph(struct graph *g, const struct graph_weights *w)
{
	const struct profile *p = g->p;

	graph_clear(g);
	for (size_t i = 0; i < p->n_samples; i++) {
		struct walk walk = { .g = g, .w = w, .sample = &p->samples[i], .stamp = i + 1 };
		int r;

		walk.parent = PROFILE_NONE;
		walk.weight = p->samples[i].values[w->type];
		walk.divisor = w->mean ? p->samples[i].values[0] : 0;
		if (!walk.weight && !walk.divisor)
			continue;
		walk.labels = g->with_tags ? graph_join_labels(g, &p->samples[i]) : "";
		r = walk.labels ? walk_sample(&walk) : -ENOMEM;
		if (r)
			return r;
	}
	return 0;
}

static bool is_negative(const struct graph_node *n)
{
	return n->flat < 0 || (!n->flat && n->cum < 0);
}

int graph_weigh(struct graph *g, const struct graph_weights *w)
{
	int r = g->is_tree ? graph_weigh_tree(g, w) : weigh_graph(g, w);

	if (r)
		return r;
	if (!g->order)
		g->order = calloc((size_t)g->n_nodes + 1, sizeof(*g->order));
	if (!g->order)
		return -ENOMEM;
	g->n_order = 0;
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		const struct graph_node *n = &g->nodes[i];

		if (n->kept && (n->flat || n->cum) && !(g->drop_negative && is_negative(n)))
			g->order[g->n_order++] = i;
	}
	return 0;
}
