/* collectord/profile/report_callgrind.c - the `callgrind` report: the call graph for kcachegrind, as pprof writes
 * it.
 *
 * Costs are whole numbers in the unit of the report.  Names are written once and then by number; addresses are
 * relative to the node before where that is shorter. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/report_work.h"

struct grind {
	struct report *r;
	FILE *out;
	struct arena memory;
	struct strings objects, files, names;
	const char **names_of; /* per node: as a callee is called; NULL: not in the graph */
	const struct graph_key *before;
};

/* --- names that tell functions apart ------------------------------------------------------------------ */

/* One node; its place in the order of the report. */
struct place {
	uint32_t node, parent, at;
};

static uint32_t parent_of(const struct graph *g, uint32_t node)
{
	uint32_t in = g->nodes[node].in;

	return g->is_tree && in != PROFILE_NONE ? g->edges[in].from : PROFILE_NONE;
}

static int by_name(const struct graph_key *a, const struct graph_key *b)
{
	int r = strcmp(a->name, b->name);

	return r ? r : strcmp(a->file, b->file);
}

/* Functions of one name differ in object, line of start and, in a tree, in who calls them. */
static int by_function(const struct graph *g, const struct place *a, const struct place *b)
{
	const struct graph_key *ka = &g->nodes[a->node].key, *kb = &g->nodes[b->node].key;
	int r = by_name(ka, kb);

	if (!r)
		r = strcmp(ka->object, kb->object);
	if (!r)
		r = (ka->start_line > kb->start_line) - (ka->start_line < kb->start_line);
	return r ? r : (a->parent > b->parent) - (a->parent < b->parent);
}

static int by_function_and_place(const void *pa, const void *pb, void *arg)
{
	const struct place *a = pa, *b = pb;
	int r = by_function(arg, a, b);

	return r ? r : (a->at > b->at) - (a->at < b->at);
}

static int by_name_and_place(const void *pa, const void *pb, void *arg)
{
	const struct graph *g = arg;
	const struct place *a = pa, *b = pb;
	int r = by_name(&g->nodes[a->node].key, &g->nodes[b->node].key);

	return r ? r : (a->at > b->at) - (a->at < b->at);
}

/* Give every node of a function the place of the first one: then they stay together in order of appearance. */
static void gather_functions(const struct graph *g, struct place *all, uint32_t n)
{
	qsort_r(all, n, sizeof(*all), by_function_and_place, (void *)(uintptr_t)g);
	for (uint32_t i = 1; i < n; i++)
		if (!by_function(g, &all[i - 1], &all[i]))
			all[i].at = all[i - 1].at;
	qsort_r(all, n, sizeof(*all), by_name_and_place, (void *)(uintptr_t)g);
}

/* "f [2/3]" for the nodes [0, n) of one name that are several functions. */
static void name_group(struct grind *c, const struct place *group, uint32_t n)
{
	const char *name = c->r->g->nodes[group[0].node].key.name;
	uint32_t functions = 1, number = 1;

	for (uint32_t i = 1; i < n; i++)
		functions += group[i].at != group[i - 1].at;
	for (uint32_t i = 0; i < n; i++) {
		number += i && group[i].at != group[i - 1].at;
		c->names_of[group[i].node] =
			functions == 1 ? name : report_format_string(c->r, "%s [%u/%u]", name, number, functions);
	}
}

static int name_callees(struct grind *c)
{
	const struct graph *g = c->r->g;
	struct place *all = calloc((size_t)g->n_order + 1, sizeof(*all));

	c->names_of = calloc((size_t)g->n_nodes + 1, sizeof(*c->names_of));
	if (!all || !c->names_of) {
		free(all);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < g->n_order; i++)
		all[i] = (struct place){ g->order[i], parent_of(g, g->order[i]), i };
	gather_functions(g, all, g->n_order);
	for (uint32_t i = 0, end; i < g->n_order; i = end) {
		for (end = i;
		     end < g->n_order && !by_name(&g->nodes[all[end].node].key, &g->nodes[all[i].node].key);)
			end++;
		name_group(c, &all[i], end - i);
	}
	free(all);
	return 0;
}

/* --- the text ---------------------------------------------------------------------------------------- */

/* "fn=(3) main", and "fn=(3)" from then on. */
static void print_name(struct grind *c, const char *what, struct strings *known, const char *name)
{
	uint32_t n = known->n, at;

	fprintf(c->out, "%s=", what);
	if (*name) {
		at = strings_add(known, name, strlen(name));
		c->r->failed |= at == ARENA_NONE;
		fprintf(c->out, at == n ? "(%u) %s" : "(%u)", at + 1, name);
	}
	fputc('\n', c->out);
}

static void print_address(const struct grind *c, uint64_t address)
{
	char absolute[24], relative[24];

	snprintf(absolute, sizeof(absolute), "0x%" PRIx64, address);
	snprintf(relative, sizeof(relative), "%+" PRId64,
		 (int64_t)(address - (c->before ? c->before->address : 0)));
	if (c->before && c->before->address == address)
		fputs("*", c->out);
	else
		fputs(c->before && strlen(relative) < strlen(absolute) ? relative : absolute, c->out);
}

static int64_t cost(const struct report *r, int64_t v)
{
	const char *unit;

	return report_trunc(report_scale(v, r->unit, r->out_unit, &unit));
}

static int print_calls(struct grind *c, const struct graph_node *n)
{
	const struct graph_edge **edges;
	uint32_t count;
	int err = graph_edges_of(c->r->g, n->out, false, &edges, &count);

	if (err)
		return err;
	for (uint32_t i = 0; i < count; i++) {
		const char *name = c->names_of[edges[i]->to];
		const struct graph_key *callee = &c->r->g->nodes[edges[i]->to].key;

		print_name(c, "cfl", &c->files, callee->file);
		print_name(c, "cfn", &c->names, name ? name : "");
		fputs("calls=0 ", c->out);
		print_address(c, callee->address);
		fprintf(c->out, " %" PRId64 "\n* * %" PRId64 "\n", callee->line, cost(c->r, edges[i]->weight));
	}
	free(edges);
	return 0;
}

static int print_node(struct grind *c, const struct graph_node *n)
{
	const struct graph_key *k = &n->key, *b = c->before;
	int err;

	if (!b || strcmp(k->object, b->object) || strcmp(k->file, b->file) || strcmp(k->name, b->name)) {
		fputc('\n', c->out);
		print_name(c, "ob", &c->objects, k->object);
		print_name(c, "fl", &c->files, k->file);
		print_name(c, "fn", &c->names, k->name);
	}
	print_address(c, k->address);
	fprintf(c->out, " %" PRId64 " %" PRId64 "\n", k->line, cost(c->r, report_quotient(n->flat, n->flat_div)));
	err = print_calls(c, n);
	c->before = k;
	return err;
}

int report_print_callgrind(struct report *r, FILE *out)
{
	struct grind c = { .r = r, .out = out };
	int err = report_trimmed_graph(r);

	if (err)
		return err;
	c.objects.arena = c.files.arena = c.names.arena = &c.memory;
	report_choose_unit(r);
	err = name_callees(&c);
	fprintf(out, "positions: instr line\nevents: %s(%s)\n", r->out_type, r->out_unit);
	for (uint32_t i = 0; !err && i < r->g->n_order; i++)
		err = print_node(&c, &r->g->nodes[r->g->order[i]]);
	strings_done(&c.objects);
	strings_done(&c.files);
	strings_done(&c.names);
	arena_done(&c.memory);
	free(c.names_of);
	return err;
}
