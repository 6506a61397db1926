/* collectord/profile/report_table.c - tables of the call graph that grow, and its edges; see report_graph.h. */
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_graph.h"
#include "collectord/profile/arena.h"

uint32_t graph_hash(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ b * 0xff51afd7ed558ccdull) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(h >> 32);
}

static bool table_grow(const struct graph *g, struct graph_table *t, graph_rehash rehash)
{
	uint32_t size = t->size ? 2 * t->size : 256;
	uint32_t *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 0; i < t->size; i++) {
		uint32_t at;

		if (!t->slots[i])
			continue;
		at = rehash(g, t->slots[i] - 1) & (size - 1);
		while (slots[at])
			at = (at + 1) & (size - 1);
		slots[at] = t->slots[i];
	}
	free(t->slots);
	t->slots = slots;
	t->size = size;
	return true;
}

uint32_t *graph_slot(const struct graph *g, struct graph_table *t, uint32_t hash, graph_same same, const void *key,
		     graph_rehash rehash)
{
	uint32_t i;

	if (2 * t->n >= t->size && !table_grow(g, t, rehash))
		return NULL;
	for (i = hash & (t->size - 1); t->slots[i]; i = (i + 1) & (t->size - 1))
		if (same(g, t->slots[i] - 1, key))
			return &t->slots[i];
	t->n++; /* the caller fills it */
	return &t->slots[i];
}

void graph_table_clear(struct graph_table *t)
{
	if (t->slots)
		memset(t->slots, 0, t->size * sizeof(*t->slots));
	t->n = 0;
}

/* --- edges ------------------------------------------------------------------------------------------- */

static bool same_edge(const struct graph *g, uint32_t entry, const void *key)
{
	const uint32_t *k = key;

	return g->edges[entry].from == k[0] && g->edges[entry].to == k[1];
}

static uint32_t edge_hash(const struct graph *g, uint32_t entry)
{
	return graph_hash(g->edges[entry].from, g->edges[entry].to);
}

struct graph_edge *graph_edge_get(struct graph *g, uint32_t from, uint32_t to)
{
	const uint32_t key[2] = { from, to };
	uint32_t *slot = graph_slot(g, &g->edge_table, graph_hash(from, to), same_edge, key, edge_hash);

	if (!slot)
		return NULL;
	if (*slot)
		return &g->edges[*slot - 1];
	if (!table_reserve(&g->edges, g->n_edges, &g->edges_room, sizeof(*g->edges)))
		return NULL;
	g->edges[g->n_edges] = (struct graph_edge){ .from = from,
						    .to = to,
						    .next_in = g->nodes[to].in,
						    .next_out = g->nodes[from].out,
						    .is_inline = true };
	g->nodes[to].in = g->nodes[from].out = g->n_edges;
	*slot = ++g->n_edges;
	return &g->edges[g->n_edges - 1];
}
