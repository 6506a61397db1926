/* collectord/profile/report_graph.c - the call graph: which nodes there are, and what each one weighs.
 *
 * A sample's weight goes once to the cum of every node on its stack, once to every edge, and to the flat of its
 * leaf; where the leaf itself was taken out, to nobody's flat. */
#include "collectord/profile/report_graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_format.h"

/* Room for twice the entries, a power of two: probing stays short. */
static uint32_t table_size(size_t entries)
{
	uint32_t size = 64;

	while (size < 2 * entries && size < 1u << 31)
		size *= 2;
	return size;
}

static uint32_t mix(uint32_t a, uint32_t b)
{
	uint64_t h = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(h >> 32);
}

/* --- nodes ------------------------------------------------------------------------------------------- */

/* Nodes by function: only the name counts; without one, the object and the function's start line. */
static struct graph_key node_key(const struct profile *p, const struct profile_location *l, uint32_t line)
{
	const struct profile_function *f = l->n_lines ? &p->functions[l->lines[line].function] : NULL;
	struct graph_key k = { .name = "", .file = "", .object = "" };

	if (f)
		k.name = f->name;
	if (!*k.name && l->mapping != PROFILE_NONE)
		k.object = p->mappings[l->mapping].file;
	if (!*k.name && f)
		k.start_line = f->start_line;
	return k;
}

static bool key_equal(const struct graph_key *a, const struct graph_key *b)
{
	return a->name == b->name && a->file == b->file && a->object == b->object && a->address == b->address &&
	       a->start_line == b->start_line && a->line == b->line;
}

static uint32_t key_hash(const struct graph_key *k)
{
	uint32_t h = mix((uint32_t)(uintptr_t)k->name, (uint32_t)((uintptr_t)k->name >> 32));

	h = mix(h, (uint32_t)(uintptr_t)k->object);
	h = mix(h, (uint32_t)(uintptr_t)k->file ^ (uint32_t)k->address);
	return mix(h, (uint32_t)(k->start_line ^ k->line));
}

static uint32_t node_intern(struct graph *g, uint32_t *table, uint32_t size, const struct graph_key *k)
{
	uint32_t i = key_hash(k) & (size - 1);

	for (; table[i]; i = (i + 1) & (size - 1))
		if (key_equal(&g->nodes[table[i] - 1].key, k))
			return table[i] - 1;
	g->nodes[g->n_nodes] = (struct graph_node){ .key = *k, .in = PROFILE_NONE, .kept = true };
	table[i] = ++g->n_nodes;
	return g->n_nodes - 1;
}

/* "[libfoo.so]" for a frame of which only the object is known. */
static int label_node(struct graph *g, struct graph_node *n)
{
	const char *base = strrchr(n->key.object, '/');
	char *label;

	if (*n->key.name || !*n->key.object) {
		n->label = *n->key.name ? n->key.name : "<unknown>";
		return 0;
	}
	base = base && base[1] ? base + 1 : n->key.object;
	label = malloc(strlen(base) + sizeof("[]"));
	if (!label)
		return -ENOMEM;
	stpcpy(stpcpy(stpcpy(label, "["), base), "]");
	n->label = g->labels[g->n_labels++] = label;
	return 0;
}

static int create_nodes(struct graph *g, const struct profile *p, uint32_t n_lines)
{
	uint32_t size = table_size(n_lines), at = 0;
	uint32_t *table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t l = 0; l < p->n_locations; l++) {
		uint32_t lines = p->locations[l].n_lines ? p->locations[l].n_lines : 1;

		g->first_node[l] = at;
		for (uint32_t i = 0; i < lines; i++) {
			struct graph_key k = node_key(p, &p->locations[l], i);

			g->line_nodes[at++] = node_intern(g, table, size, &k);
		}
	}
	g->first_node[p->n_locations] = at;
	free(table);
	return 0;
}

static uint32_t count_lines(const struct profile *p)
{
	uint32_t n = 0;

	for (size_t l = 0; l < p->n_locations; l++)
		n += p->locations[l].n_lines ? p->locations[l].n_lines : 1;
	return n;
}

int graph_new(const struct profile *p, struct graph **ret)
{
	uint32_t n_lines = count_lines(p);
	struct graph *g = calloc(1, sizeof(*g));
	int r = -ENOMEM;

	if (!g)
		return -ENOMEM;
	g->nodes = calloc(n_lines + 1, sizeof(*g->nodes));
	g->first_node = calloc(p->n_locations + 1, sizeof(*g->first_node));
	g->line_nodes = calloc(n_lines + 1, sizeof(*g->line_nodes));
	g->order = calloc(n_lines + 1, sizeof(*g->order));
	g->labels = calloc(n_lines + 1, sizeof(*g->labels));
	if (!g->nodes || !g->first_node || !g->line_nodes || !g->order || !g->labels)
		goto out;
	r = create_nodes(g, p, n_lines);
	for (uint32_t i = 0; !r && i < g->n_nodes; i++)
		r = label_node(g, &g->nodes[i]);
	if (r)
		goto out;
	*ret = g;
	g = NULL;
out:
	graph_free(g);
	return r;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < g->n_labels; i++)
		free(g->labels[i]);
	free(g->labels);
	free(g->nodes);
	free(g->first_node);
	free(g->line_nodes);
	free(g->order);
	free(g->edges);
	free(g->edge_table);
	free(g);
}

/* --- edges ------------------------------------------------------------------------------------------- */

static int edges_grow(struct graph *g)
{
	uint32_t room = g->edges_room ? 2 * g->edges_room : 256, size = table_size(room);
	struct graph_edge *edges = reallocarray(g->edges, room, sizeof(*edges));
	uint32_t *table;

	if (!edges)
		return -ENOMEM;
	g->edges = edges;
	table = calloc(size, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (uint32_t e = 0; e < g->n_edges; e++) {
		uint32_t i = mix(edges[e].from, edges[e].to) & (size - 1);

		while (table[i])
			i = (i + 1) & (size - 1);
		table[i] = e + 1;
	}
	free(g->edge_table);
	g->edge_table = table;
	g->edge_table_size = size;
	g->edges_room = room;
	return 0;
}

/* The edge from -> to, made if need be; NULL when out of memory. */
static struct graph_edge *edge_get(struct graph *g, uint32_t from, uint32_t to)
{
	uint32_t i;

	if (g->n_edges == g->edges_room && edges_grow(g))
		return NULL;
	i = mix(from, to) & (g->edge_table_size - 1);
	for (; g->edge_table[i]; i = (i + 1) & (g->edge_table_size - 1)) {
		struct graph_edge *e = &g->edges[g->edge_table[i] - 1];

		if (e->from == from && e->to == to)
			return e;
	}
	g->edges[g->n_edges] = (struct graph_edge){ .from = from, .to = to, .next_in = g->nodes[to].in };
	g->edges[g->n_edges].is_inline = true;
	g->nodes[to].in = g->n_edges;
	g->edge_table[i] = ++g->n_edges;
	return &g->edges[g->n_edges - 1];
}

/* --- weights ----------------------------------------------------------------------------------------- */

/* One sample's walk, root to leaf. */
struct walk {
	struct graph *g;
	uint64_t stamp;
	int64_t weight;
	uint32_t parent; /* last kept node, or PROFILE_NONE */
	bool residual;   /* nodes were skipped since */
};

static int walk_node(struct walk *w, uint32_t at, bool is_inline)
{
	struct graph_node *n = &w->g->nodes[at];
	struct graph_edge *e;

	if (!n->kept) {
		w->residual = true;
		return 0;
	}
	if (n->seen != w->stamp)
		n->cum = report_add(n->cum, w->weight);
	n->seen = w->stamp;
	if (w->parent != PROFILE_NONE && w->parent != at) {
		e = edge_get(w->g, w->parent, at);
		if (!e)
			return -ENOMEM;
		if (e->seen != w->stamp) {
			e->weight = report_add(e->weight, w->weight);
			e->residual |= w->residual;
			e->is_inline &= is_inline;
		}
		e->seen = w->stamp;
	}
	w->parent = at;
	w->residual = false;
	return 0;
}

static int walk_sample(struct walk *w, const struct profile_sample *s)
{
	const struct graph *g = w->g;

	for (uint32_t i = s->n_locations; i-- > 0;) {
		uint32_t first = g->first_node[s->locations[i]], end = g->first_node[s->locations[i] + 1];

		for (uint32_t l = end; l-- > first;) {
			int r = walk_node(w, g->line_nodes[l], l != end - 1);

			if (r)
				return r;
		}
	}
	if (w->parent != PROFILE_NONE && !w->residual)
		g->nodes[w->parent].flat = report_add(g->nodes[w->parent].flat, w->weight);
	return 0;
}

static void graph_clear(struct graph *g)
{
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		struct graph_node *n = &g->nodes[i];

		n->flat = n->cum = 0;
		n->seen = 0;
		n->in = PROFILE_NONE;
	}
	g->n_edges = 0;
	if (g->edge_table)
		memset(g->edge_table, 0, g->edge_table_size * sizeof(*g->edge_table));
}

int graph_weigh(struct graph *g, const struct profile *p, size_t type)
{
	graph_clear(g);
	for (size_t i = 0; i < p->n_samples; i++) {
		struct walk w = { .g = g, .stamp = i + 1, .parent = PROFILE_NONE };
		int r;

		w.weight = p->samples[i].values[type];
		r = w.weight ? walk_sample(&w, &p->samples[i]) : 0;
		if (r)
			return r;
	}
	g->n_order = 0;
	for (uint32_t i = 0; i < g->n_nodes; i++)
		if (g->nodes[i].kept && (g->nodes[i].flat || g->nodes[i].cum))
			g->order[g->n_order++] = i;
	return 0;
}
