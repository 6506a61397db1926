/* collectord/profile/report_work.h - one report in the making: what all report_*.c work on.
 *
 * The profile is a copy whose tables may be changed (names blanked by granularity, frames hidden, samples dropped);
 * what those tables point to is shared with the original until it is replaced.  Everything goes with
 * report_close(). Only report_*.c include this. */
#pragma once

#include "collectord/profile/report.h"
#include "collectord/profile/report_format.h"
#include "collectord/profile/report_graph.h"
#include "collectord/profile/regex.h"

/* The unit of all numeric labels with one key. */
struct report_label_unit {
	const char *key, *unit;
};

struct report {
	struct profile *p;
	struct report_options o; /* with what the kind of report overrides */
	size_t type;
	const char *unit;     /* of the sample type */
	const char *out_unit; /* numbers are printed in this one */
	const char *out_type; /* "inuse_space", "mean_inuse_space" */
	int64_t total;        /* sum of |value| over all samples, shown or not */
	struct regex *symbol;
	struct report_label_unit *label_units;
	uint32_t n_label_units;
	size_t label_units_room;
	struct graph *g;
	int64_t dropped_nodes, dropped_edges, before; /* by trimming; nodes before the limit of node_count */
	const char **labels;                          /* header lines */
	uint32_t n_labels;
	size_t labels_room;
	struct fault *fault;
	bool failed; /* out of memory somewhere: checked at the end */
};

/* report.c: a report up to its graph, untrimmed, for those that take the numbers out.  0, -ENOMEM or -EINVAL with a
 * fault.  Close takes NULL. */
int report_open(const struct profile *p, const struct report_options *o, struct report **ret, struct fault *f);
void report_close(struct report *r);

/* report_copy.c */
int report_copy(const struct profile *p, struct profile **ret);
int report_find_label_units(struct report *r); /* and a note on keys with more than one */
const char *report_label_unit(const struct report *r, const char *key);
int report_aggregate(struct report *r);
int report_remove_base(struct report *r);
bool report_sample_has_base(const struct profile_sample *s);

/* Do labels i and j of a sample, in the order of report_copy(), belong to one key? */
static inline bool report_same_key(const struct profile_label *a, const struct profile_label *b)
{
	return a->key == b->key && !a->str == !b->str;
}

/* report_filter.c, report_tagfilter.c, report_tagframes.c */
int report_filter(struct report *r);
struct report_tag_filters;
int report_tag_filters_new(struct report *r, struct report_tag_filters **ret);
void report_tag_filters_free(struct report_tag_filters *t); /* takes NULL */
int report_filter_tags(struct report *r, const struct report_tag_filters *t);
int report_add_tag_frames(struct report *r);
void report_no_match(struct report *r, bool matched, const char *what);
int report_regex(struct report *r, const char *option, const char *pattern, struct regex **ret);

/* Values as the report sees them. */
static inline int64_t report_value(const struct report *r, const struct profile_sample *s)
{
	return s->values[r->type];
}

static inline int64_t report_divisor(const struct report *r, const struct profile_sample *s)
{
	return r->o.mean ? s->values[0] : 0;
}

/* report_labels.c: numbers and header lines */
const char *report_text(const struct report *r, int64_t v, char buf[REPORT_NUMBER_MAX]);
const char *report_share(int64_t v, int64_t total, char buf[REPORT_NUMBER_MAX]); /* without padding */
void report_label(struct report *r, const char *fmt, ...) PRINTF(2, 3);
void report_profile_labels(struct report *r);
void report_labels(struct report *r, bool full);
void report_print_labels(const struct report *r, FILE *out);
char *report_format_string(struct report *r, const char *fmt, ...) PRINTF(2, 3); /* in the arena; "" if it failed */

/* report_error.c: can -error be served (0, or -EINVAL with a fault)?  Variances of the nodes of r->g, by number;
 * malloc'ed (0 or -ENOMEM). */
int report_check_errors(struct report *r);
struct report_error {
	double flat, cum;
};
int report_find_errors(struct report *r, struct report_error **ret);
const char *report_error_text(const struct report *r, double variance, char buf[REPORT_NUMBER_MAX]);

/* report.c: the graph that is shown, and the unit for it */
int report_build_graph(struct report *r, bool fresh);
int report_trimmed_graph(struct report *r);
void report_choose_unit(struct report *r);
const char *report_trim_path(struct report *r, const char *path, const char *search);

/* report_dot_name.c, report_dot_tags.c: parts of the drawing */
char *report_dot_escape(struct report *r, const char *text); /* for between quotes; in the arena */
const char *report_dot_name(struct report *r, const struct graph_key *k);
bool report_dot_tags(struct report *r, const struct graph_node *n, uint32_t number, FILE *out);

/* The reports. */
int report_print_top(struct report *r, FILE *out);
int report_print_tree(struct report *r, FILE *out);
int report_print_traces(struct report *r, FILE *out);
int report_print_tags(struct report *r, FILE *out);
int report_print_list(struct report *r, FILE *out);
int report_print_dot(struct report *r, FILE *out);
int report_print_raw(struct report *r, FILE *out);
int report_print_comments(struct report *r, FILE *out);
int report_print_header(struct report *r, FILE *out);
int report_print_proto(struct report *r, FILE *out);
int report_print_topproto(struct report *r, FILE *out);
int report_print_callgrind(struct report *r, FILE *out);
int report_print_folded(struct report *r, FILE *out);
