/* collectord/profile/report.c - one report from options to text: copy, filter, blank, graph, print; see report.h.
 */
#include "collectord/profile/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_work.h"

#define NODES_DRAWN 80 /* rows where nodecount is not given, but in plain tables */

/* --- which values ------------------------------------------------------------------------------------ */

static int no_sample_type(const struct profile *p, const char *name, struct fault *f)
{
	char list[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < p->n_sample_types && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? " " : "",
					 p->sample_types[i].type);
	return fault_set(f, -EINVAL, "sample_index \"%s\" must be one of: [%s]", name, list);
}

/* A number as Go's Atoi takes it. */
static bool is_number(const char *s, long long *ret)
{
	char *end;

	if (*s != '-' && *s != '+' && (*s < '0' || *s > '9'))
		return false;
	errno = 0;
	*ret = strtoll(s, &end, 10);
	return end != s && !*end && !errno;
}

int report_sample_type(const struct profile *p, const char *name, size_t *ret, struct fault *f)
{
	const char *bare = !strncmp(name, "inuse_", 6) ? name + 6 : name;
	long long number;

	if (!p->n_sample_types)
		return fault_set(f, -EINVAL, "profile has no samples");
	if (!*name) {
		*ret = profile_default_type(p);
		return 0;
	}
	if (is_number(name, &number)) {
		if (number < 0 || (uint64_t)number >= p->n_sample_types)
			return fault_set(f, -EINVAL, "sample_index %s is outside the range [0..%zu]", name,
					 p->n_sample_types - 1);
		*ret = (size_t)number;
		return 0;
	}
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (!strcmp(p->sample_types[i].type, name) || !strcmp(p->sample_types[i].type, bare)) {
			*ret = i;
			return 0;
		}
	return no_sample_type(p, name, f);
}

/* The sum of magnitudes; of the base of a comparison alone if there is one. */
static int64_t total_of(const struct report *r)
{
	int64_t total = 0, divisor = 0, base_total = 0, base_divisor = 0;

	for (size_t i = 0; i < r->p->n_samples; i++) {
		const struct profile_sample *s = &r->p->samples[i];
		int64_t v = report_abs(report_value(r, s)), d = report_divisor(r, s);

		total = report_add(total, v);
		divisor = report_add(divisor, d);
		if (report_sample_has_base(s)) {
			base_total = report_add(base_total, v);
			base_divisor = report_add(base_divisor, d);
		}
	}
	return base_total > 0 ? report_quotient(base_total, base_divisor) : report_quotient(total, divisor);
}

static int choose_values(struct report *r)
{
	int err = report_sample_type(r->p, r->o.sample_index, &r->type, r->fault);

	if (err)
		return err;
	if (r->o.divide_by == 0)
		return fault_set(r->fault, -EINVAL, "zero divisor specified");
	r->unit = r->p->sample_types[r->type].unit;
	r->out_unit = r->o.unit;
	r->out_type = report_format_string(r, "%s%s", r->o.mean ? "mean_" : "", r->p->sample_types[r->type].type);
	r->total = total_of(r);
	return 0;
}

/* --- what the kind of report decides ----------------------------------------------------------------- */

static void override(struct report_options *o)
{
	bool plain = o->kind == REPORT_TOP || o->kind == REPORT_TOPPROTO, trim = o->trim;
	bool whole = o->kind == REPORT_RAW || o->kind == REPORT_PROTO || o->kind == REPORT_CALLGRIND;

	if (o->node_count == -1)
		o->node_count = plain ? 0 : NODES_DRAWN;
	if (o->kind == REPORT_PEEK || o->kind == REPORT_LIST || whole)
		trim = false;
	if (o->kind == REPORT_LIST)
		o->granularity = REPORT_LINES;
	if (whole) {
		o->granularity = REPORT_ADDRESSES;
		o->noinlines = false;
	}
	if (!trim) {
		o->node_count = 0;
		o->node_fraction = o->edge_fraction = 0;
	}
}

/* --- the graph --------------------------------------------------------------------------------------- */

static const char *tag_text(void *arg, const struct profile_label *l)
{
	struct report *r = arg;
	char buf[REPORT_NUMBER_MAX];

	report_number(buf, l->num, report_label_unit(r, l->key), r->o.unit);
	return profile_string(r->p, buf);
}

/* pprof trims the names of files anew for every graph; whether that changed any. */
static bool trim_paths(struct report *r)
{
	bool changed = false;

	for (size_t i = 0; i < r->p->n_functions; i++) {
		const char *now = report_trim_path(r, r->p->functions[i].filename, r->o.source_path);

		changed |= now != r->p->functions[i].filename;
		r->p->functions[i].filename = now;
	}
	return changed;
}

static int weigh(struct report *r)
{
	struct graph_weights w = { .type = r->type, .mean = r->o.mean, .tag_text = tag_text, .arg = r };

	w.bytes_unit = report_label_unit(r, "bytes");
	return graph_weigh(r->g, &w);
}

int report_build_graph(struct report *r, bool fresh)
{
	bool drawn = r->o.kind == REPORT_DOT, calls = r->o.kind == REPORT_CALLGRIND;
	struct graph like = { .is_tree = r->o.call_tree && (drawn || calls),
			      .with_tags = drawn,
			      .drop_negative = r->o.drop_negative,
			      .object_names = r->o.kind == REPORT_LIST || calls,
			      .inline_edges = r->o.kind == REPORT_TOP };
	bool changed = trim_paths(r);
	struct graph *old = r->g;
	int err = report_remove_base(r);

	if (err)
		return err;
	if (fresh || changed) {
		err = graph_new(r->p, &like, &r->g);
		if (err)
			return err;
		if (old)
			graph_keep_as(r->g, old);
		graph_free(old);
		r->g->without_edges = fresh && r->o.kind == REPORT_TOP && r->o.node_fraction > 0;
	}
	return weigh(r);
}

/* Cutoffs come from what the full graph accounts for; the header names the one computed from the total. */
static int drop_light(struct report *r, int64_t cutoff)
{
	bool without_edges = r->g->without_edges;

	r->g->without_edges = false;
	r->dropped_nodes = cutoff > 0 ? graph_drop_light(r->g, cutoff) : 0;
	if (!r->dropped_nodes)
		return without_edges && r->g->has_inline ? weigh(r) : 0;
	if (!r->g->is_tree)
		return report_build_graph(r, false);
	graph_remove_from_tree(r->g);
	return 0;
}

static int keep_first(struct report *r, enum graph_sort_by order)
{
	int64_t n = r->o.node_count;
	int err = 0;

	if (n > UINT32_MAX)
		n = UINT32_MAX;
	if (r->o.kind == REPORT_DOT)
		n = graph_count_boxes(r->g, (uint32_t)n);
	if (!graph_keep_first(r->g, (uint32_t)n))
		return 0;
	if (r->g->is_tree)
		graph_remove_from_tree(r->g);
	else
		err = report_build_graph(r, false);
	if (!err)
		graph_sort(r->g, order);
	return err;
}

int report_trimmed_graph(struct report *r)
{
	enum graph_sort_by order = r->o.kind == REPORT_DOT ? GRAPH_BY_ENTROPY
				   : r->o.cum              ? GRAPH_BY_CUM
							   : GRAPH_BY_FLAT;
	int err = report_build_graph(r, true);
	int64_t node_cutoff, edge_cutoff;
	double sum;

	if (err)
		return err;
	sum = (double)graph_flat_sum(r->g);
	node_cutoff = report_abs(report_trunc(sum * r->o.node_fraction));
	edge_cutoff = report_abs(report_trunc(sum * r->o.edge_fraction));
	err = drop_light(r, node_cutoff);
	if (err)
		return err;
	r->before = r->g->n_order;
	graph_sort(r->g, order);
	if (r->o.node_count > 0) {
		graph_cut_tags(r->g, node_cutoff);
		graph_cut_edges(r->g, edge_cutoff);
		err = keep_first(r, order);
		if (err)
			return err;
	}
	graph_cut_tags(r->g, node_cutoff);
	r->dropped_edges = graph_cut_edges(r->g, edge_cutoff);
	return r->o.kind == REPORT_DOT ? graph_cut_redundant(r->g) : 0;
}

/* One unit for the whole report: that of the smallest number, or of 100 times it if the total is far larger and the
 * report has decimals. */
void report_choose_unit(struct report *r)
{
	double ratio = 1 / r->o.divide_by;
	int64_t min = 0, max = r->total;
	const char *unit, *max_unit;

	if (strcmp(r->out_unit, REPORT_UNIT_AUTO) || !r->g->n_order)
		return;
	for (uint32_t i = 0; i < r->g->n_order; i++) {
		const struct graph_node *n = &r->g->nodes[r->g->order[i]];
		int64_t v = report_abs(report_quotient(n->flat, n->flat_div));

		if (!v)
			v = report_abs(report_quotient(n->cum, n->cum_div));
		if (v > 0 && (!min || v < min))
			min = v;
	}
	min = min ? min : max;
	if (ratio > 0 && ratio != 1) {
		min = report_trunc((double)min * ratio);
		max = report_trunc((double)max * ratio);
	}
	report_scale(min, r->unit, REPORT_UNIT_AUTO, &unit);
	report_scale(max, r->unit, REPORT_UNIT_AUTO, &max_unit);
	if (strcmp(unit, max_unit) && (int64_t)((uint64_t)min * 100) < max && r->o.kind != REPORT_CALLGRIND)
		report_scale((int64_t)((uint64_t)min * 100), r->unit, REPORT_UNIT_AUTO, &unit);
	r->out_unit = *unit ? unit : r->unit;
}

/* --- the whole --------------------------------------------------------------------------------------- */

static int prepare(struct report *r)
{
	int err = report_find_label_units(r);

	override(&r->o);
	if (!err)
		err = report_add_tag_frames(r);
	if (!err && r->o.relative_percentages)
		err = report_filter(r);
	if (!err)
		err = choose_values(r);
	if (r->o.kind == REPORT_HEADER)
		return err;
	if (!err && (r->o.kind == REPORT_PEEK || r->o.kind == REPORT_LIST)) {
		struct fault why = { "" };

		err = regex_compile(r->o.symbol, &r->symbol, &why);
		if (err == -EINVAL)
			fault_set(r->fault, err, "parsing argument regexp %s: %s", r->o.symbol, why.text);
	}
	if (!err && !r->o.relative_percentages)
		err = report_filter(r);
	return err ? err : report_aggregate(r);
}

static int print(struct report *r, FILE *out)
{
	static int (*const printers[])(struct report * r, FILE * out) = {
		[REPORT_TOP] = report_print_top,           [REPORT_TREE] = report_print_tree,
		[REPORT_PEEK] = report_print_tree,         [REPORT_TRACES] = report_print_traces,
		[REPORT_TAGS] = report_print_tags,         [REPORT_LIST] = report_print_list,
		[REPORT_DOT] = report_print_dot,           [REPORT_RAW] = report_print_raw,
		[REPORT_COMMENTS] = report_print_comments, [REPORT_HEADER] = report_print_header,
		[REPORT_PROTO] = report_print_proto,       [REPORT_FOLDED] = report_print_folded,
		[REPORT_TOPPROTO] = report_print_topproto, [REPORT_CALLGRIND] = report_print_callgrind,
	};

	return printers[r->o.kind](r, out);
}

void report_close(struct report *r)
{
	if (!r)
		return;
	graph_free(r->g);
	regex_free(r->symbol);
	profile_free(r->p);
	free(r);
}

static int start(const struct profile *p, const struct report_options *o, struct report **ret, struct fault *f)
{
	struct report *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		return err;
	r->o = *o;
	r->fault = f;
	err = report_copy(p, &r->p);
	if (!err)
		err = prepare(r);
	if (err)
		report_close(r);
	else
		*ret = r;
	return err;
}

int report_open(const struct profile *p, const struct report_options *o, struct report **ret, struct fault *f)
{
	struct report_options untrimmed = *o;
	struct report *r = NULL;
	int err;

	untrimmed.trim = false;
	err = start(p, &untrimmed, &r, f);
	if (!err)
		err = report_build_graph(r, true);
	if (err)
		report_close(r);
	else
		*ret = r;
	return err;
}

int report_print(const struct profile *p, const struct report_options *o, FILE *out, struct fault *f)
{
	struct report *r = NULL;
	int err = start(p, o, &r, f);

	if (!err && r->o.error)
		err = report_check_errors(r);
	if (!err)
		err = print(r, out);
	if (!err && (r->failed || ferror(out)))
		err = -ENOMEM;
	if (err == -ENOMEM)
		fault_set(f, err, "out of memory");
	report_close(r);
	return err;
}
