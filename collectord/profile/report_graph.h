/* collectord/profile/report_graph.h - the call graph all reports are cut from: nodes, edges, weights, trimming.
 *
 * Built once per report from a profile; the node table stays, weights are computed anew whenever nodes were taken
 * out (the graph itself does not know enough to keep them exact).  A call tree has a node per path instead, and is
 * cut down in place.  One owner, one thread; strings belong to the profile, which must outlive the graph.  Only
 * report_*.c include this. */
#pragma once

#include "collectord/profile/profile.h"

#define GRAPH_BOXES_MAX 4 /* tags drawn beside a node */

/* What makes two frames the same node.  Parts a granularity does not tell apart are "" or 0; strings are the
 * profile's interned ones, so pointers compare. */
struct graph_key {
	const char *name, *file, *object;
	uint64_t address;
	int64_t start_line, line;
};

/* A label's share of a node.  String labels of a sample are one tag, joined; numeric ones are filed under it. */
struct graph_tag {
	const char *name, *unit; /* unit "" for string labels */
	const char *group;       /* numeric: the joined string labels of the samples; NULL for those themselves */
	int64_t value;
	int64_t flat, flat_div, cum, cum_div;
	uint32_t node, next; /* next of the same node, or PROFILE_NONE */
	bool cut;
};

struct graph_node {
	struct graph_key key;
	int64_t flat, cum;
	int64_t flat_div, cum_div; /* sums of the divisor, for -mean */
	int64_t score;             /* the sort key of graph_sort() */
	uint64_t seen;             /* sample that added to cum last, + 1 */
	uint32_t in, out;          /* heads of the lists of edges, or PROFILE_NONE */
	uint32_t tags;             /* head of the list of tags, or PROFILE_NONE */
	uint32_t position;         /* in `order`, + 1; 0 = not there */
	bool kept;                 /* false: taken out by trimming */
	bool is_inlined;           /* into some location */
	const char *label;         /* the printable name */
};

struct graph_edge {
	uint32_t from, to;
	uint32_t next_in, next_out; /* next edge into `to`, out of `from`, or PROFILE_NONE */
	int64_t weight, weight_div;
	uint64_t seen;
	bool residual; /* passes over nodes that were taken out */
	bool is_inline;
	bool cut; /* removed: reports do not see it */
};

/* Open addressing over entries of a table: entry + 1 per slot. */
struct graph_table {
	uint32_t *slots, size, n;
};

struct graph {
	struct profile *p;
	bool object_names, is_tree, with_tags, drop_negative;
	bool without_edges;       /* the next graph_weigh() leaves them out: enough to see what is light */
	bool inline_edges;        /* edges into nodes that are inlined somewhere are enough, and no residual ones */
	bool has_inline;          /* some node is */
	struct graph_node *nodes; /* all, kept or not */
	uint32_t n_nodes;
	size_t nodes_room;
	uint32_t *first_node; /* per location: where its nodes start in line_nodes; one more entry ends the last */
	uint32_t *line_nodes; /* node of each line, innermost first */
	struct graph_edge *edges;
	uint32_t n_edges;
	size_t edges_room;
	struct graph_tag *tags;
	uint32_t n_tags;
	size_t tags_room;
	struct graph_table node_table, edge_table, tag_table;
	const char **names, **files, **objects; /* interned: per function, cleaned; per mapping */
	uint32_t *order; /* the graph proper: nodes kept and not zero, sorted by graph_sort() */
	uint32_t n_order;
};

/* How samples weigh, and how numeric labels are written. */
struct graph_weights {
	size_t type;
	bool mean;              /* divisors: the first sample type */
	const char *bytes_unit; /* of numeric labels called "bytes" */
	const char *(*tag_text)(void *arg, const struct profile_label *l);
	void *arg;
};

/* A graph of `p`, nothing weighed yet.  0 or -ENOMEM. */
int graph_new(struct profile *p, const struct graph *like, struct graph **ret);
void graph_free(struct graph *g); /* takes NULL */

/* Compute flat, cum, edges and tags over the nodes still kept, and fill `order`. */
int graph_weigh(struct graph *g, const struct graph_weights *w);

/* Keep in `g` only what is kept in `old`, a graph of the same profile. */
void graph_keep_as(struct graph *g, const struct graph *old);

/* Sum of flat over `order`, without divisors. */
int64_t graph_flat_sum(const struct graph *g);

enum graph_sort_by { GRAPH_BY_FLAT, GRAPH_BY_CUM, GRAPH_BY_ENTROPY };

/* Sort `order` as pprof does; ties by name. */
void graph_sort(struct graph *g, enum graph_sort_by by);

/* Take out every node of |cum| < cutoff, or all but the first `n` of `order`.  Return how many went; unless it is 0
 * the graph must be weighed again, or if it is a tree has been cut down. */
uint32_t graph_drop_light(struct graph *g, int64_t cutoff);
uint32_t graph_keep_first(struct graph *g, uint32_t n);

/* How many nodes of `order` make `n` boxes, with their tags. */
uint32_t graph_count_boxes(const struct graph *g, uint32_t n);

/* Remove edges of |weight| < cutoff into nodes of `order`, and return how many; tags of |flat| and |cum| < cutoff;
 * edges that say what a detour says as well. */
uint32_t graph_cut_edges(struct graph *g, int64_t cutoff);
void graph_cut_tags(struct graph *g, int64_t cutoff);
int graph_cut_redundant(struct graph *g);

/* The edges into or out of a node that are not cut, in pprof's order; malloc'ed.  0 or -ENOMEM. */
int graph_edges_of(const struct graph *g, uint32_t head, bool in, const struct graph_edge ***ret, uint32_t *ret_n);
void graph_sort_edges(const struct graph *g, const struct graph_edge **edges, uint32_t n);

/* For report_graph.c and report_calltree.c. */
struct graph_key graph_key_of(const struct graph *g, const struct profile_location *l, uint32_t line);
uint32_t graph_add_node(struct graph *g, uint32_t parent, const struct graph_key *k); /* or PROFILE_NONE: ENOMEM */
struct graph_edge *graph_edge_get(struct graph *g, uint32_t from, uint32_t to);       /* NULL: ENOMEM */
const char *graph_join_labels(struct graph *g, const struct profile_sample *s);       /* NULL: ENOMEM */
int graph_add_tags(struct graph *g, const struct graph_weights *w, uint32_t node, const struct profile_sample *s,
		   const char *joined, bool flat);
int graph_weigh_tree(struct graph *g, const struct graph_weights *w);
void graph_remove_from_tree(struct graph *g); /* nodes of `order` that are not kept: their children move up */
uint32_t graph_hash(uint64_t a, uint64_t b);

/* The slot for the entry that `same` recognizes, or a free one; NULL: ENOMEM. */
typedef bool (*graph_same)(const struct graph *g, uint32_t entry, const void *key);
typedef uint32_t (*graph_rehash)(const struct graph *g, uint32_t entry);
uint32_t *graph_slot(const struct graph *g, struct graph_table *t, uint32_t hash, graph_same same, const void *key,
		     graph_rehash rehash);

void graph_table_clear(struct graph_table *t);

/* report_node.c */
const char *graph_clean_path(struct profile *p, const char *path); /* interned; NULL: ENOMEM */
const char *graph_base(struct profile *p, const char *path);       /* the same */
const char *graph_node_label(struct profile *p, const struct graph_key *k, const char *separator);
