/* collectord/profile/report_graph.h - the call graph all reports are cut from: nodes, edges, weights, trimming.
 *
 * Built once per report from a profile; the node table stays, weights are computed anew whenever nodes were taken
 * out (the graph itself does not know enough to keep them exact).  One owner, one thread; strings belong to the
 * profile, which must outlive the graph.  Only report_*.c include this. */
#pragma once

#include "collectord/profile/profile.h"

/* What makes two frames the same node.  Parts a granularity does not tell apart are "" or 0; strings are the
 * profile's interned ones, so pointers compare. */
struct graph_key {
	const char *name, *file, *object;
	uint64_t address;
	int64_t start_line, line;
};

struct graph_node {
	struct graph_key key;
	int64_t flat, cum;
	uint64_t seen;     /* sample that added to cum last, + 1 */
	uint32_t in;       /* head of the list of incoming edges, or PROFILE_NONE */
	bool kept;         /* false: taken out by trimming */
	const char *label; /* the printable name */
};

struct graph_edge {
	uint32_t from, to;
	uint32_t next_in; /* next edge into `to`, or PROFILE_NONE */
	int64_t weight;
	uint64_t seen;
	bool residual; /* passes over nodes that were taken out */
	bool is_inline;
	bool cut; /* too light: reports do not see it */
};

struct graph {
	struct graph_node *nodes; /* all, kept or not */
	uint32_t n_nodes;
	uint32_t *first_node; /* per location: where its nodes start in line_nodes; one more entry ends the last */
	uint32_t *line_nodes; /* node of each line, innermost first */
	struct graph_edge *edges;
	uint32_t n_edges, edges_room;
	uint32_t *edge_table; /* hash of (from, to) -> edge + 1 */
	uint32_t edge_table_size;
	uint32_t *order; /* the graph proper: nodes kept and not zero, sorted by graph_sort() */
	uint32_t n_order;
	char **labels; /* made for nameless nodes; owned */
	uint32_t n_labels;
};

/* Nodes of `p` by function; nothing weighed yet.  0 or -ENOMEM. */
int graph_new(const struct profile *p, struct graph **ret);
void graph_free(struct graph *g); /* takes NULL */

/* Compute flat, cum and edges of sample type `type` over the nodes still kept, and fill `order`. */
int graph_weigh(struct graph *g, const struct profile *p, size_t type);

/* Sum of flat over `order`. */
int64_t graph_flat_sum(const struct graph *g);

/* Sort `order` as pprof does: by |flat|, or by |cum|; ties by name. */
void graph_sort(struct graph *g, bool by_cum);

/* Take out every node of |cum| < cutoff, or all but the first `n` of `order`.  Return how many went; unless it is 0
 * the graph must be weighed again. */
uint32_t graph_drop_light(struct graph *g, int64_t cutoff);
uint32_t graph_keep_first(struct graph *g, uint32_t n);

/* Hide edges of |weight| < cutoff. */
void graph_cut_edges(struct graph *g, int64_t cutoff);
