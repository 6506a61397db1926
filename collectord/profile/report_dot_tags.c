/* collectord/profile/report_dot_tags.c - the small boxes beside a function's: which labels its values have.
 *
 * A box per string label, the four heaviest, each with up to four numeric ones; those of samples without string
 * labels hang on the function itself.  More than four numbers are put together around the four heaviest. */
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_work.h"

/* The tags of one node that belong together, heaviest first. */
struct tag_list {
	struct graph_tag *at;
	size_t n;
};

struct tag_order {
	bool flat;
};

static int by_weight(const void *pa, const void *pb, void *arg)
{
	const struct graph_tag *a = pa, *b = pb;
	const struct tag_order *order = arg;
	int64_t x = order->flat ? 0 : a->cum, y = order->flat ? 0 : b->cum;

	if (x == y) {
		x = a->flat;
		y = b->flat;
	}
	if (x != y)
		return report_by_magnitude(x, y);
	return strcmp(a->name, b->name);
}

static void sort_tags(struct tag_list *list, bool flat)
{
	qsort_r(list->at, list->n, sizeof(*list->at), by_weight, &(struct tag_order){ flat });
}

/* Tags of `n` in `group`: NULL for the string labels themselves. */
static bool take_tags(struct report *r, const struct graph_node *n, const char *group, bool flat,
		      struct tag_list *list)
{
	size_t room = 0;

	for (uint32_t t = n->tags; t != PROFILE_NONE; t = r->g->tags[t].next)
		room++;
	list->n = 0;
	list->at = calloc(room + 1, sizeof(*list->at));
	r->failed |= !list->at;
	for (uint32_t t = n->tags; list->at && t != PROFILE_NONE; t = r->g->tags[t].next)
		if (!r->g->tags[t].cut && r->g->tags[t].group == group)
			list->at[list->n++] = r->g->tags[t];
	if (list->n)
		sort_tags(list, flat);
	return list->n;
}

static int64_t flat_of(const struct graph_tag *t)
{
	return report_quotient(t->flat, t->flat_div);
}

static int64_t cum_of(const struct graph_tag *t)
{
	return report_quotient(t->cum, t->cum_div);
}

/* --- numbers ----------------------------------------------------------------------------------------- */

static double distance(const struct graph_tag *a, const struct graph_tag *b)
{
	const char *unit;
	double v = report_scale(b->value, b->unit, a->unit, &unit);

	return v < (double)a->value ? (double)a->value - v : v - (double)a->value;
}

static const char *value_text(struct report *r, const struct graph_tag *t)
{
	char number[REPORT_NUMBER_MAX];

	report_number(number, t->value, t->unit, "auto");
	return report_format_string(r, "%s", number);
}

/* Tags of `list` whose nearest seed is `seed`, as one. */
static struct graph_tag put_together(struct report *r, const struct tag_list *list, const size_t *seeds,
				     size_t seed)
{
	const struct graph_tag *min = &list->at[seed], *max = min;
	struct graph_tag sum = *min;
	const char *unit;
	size_t n = 1;

	for (size_t i = GRAPH_BOXES_MAX; i < list->n; i++) {
		const struct graph_tag *t = &list->at[i];

		if (seeds[i] != seed)
			continue;
		n++;
		if (report_trunc(report_scale(t->value, t->unit, min->unit, &unit)) < min->value)
			min = t;
		if (report_trunc(report_scale(t->value, t->unit, max->unit, &unit)) > max->value)
			max = t;
		sum.flat = report_add(sum.flat, t->flat);
		sum.flat_div = report_add(sum.flat_div, t->flat_div);
		sum.cum = report_add(sum.cum, t->cum);
		sum.cum_div = report_add(sum.cum_div, t->cum_div);
	}
	sum.name = value_text(r, min);
	if (n > 1)
		sum.name = report_format_string(r, "%s..%s", sum.name, value_text(r, max));
	sum.flat = flat_of(&sum);
	sum.cum = cum_of(&sum);
	sum.flat_div = sum.cum_div = 0;
	return sum;
}

static void collapse(struct report *r, struct tag_list *list, bool flat)
{
	struct graph_tag groups[GRAPH_BOXES_MAX];
	size_t *seeds;

	if (list->n <= GRAPH_BOXES_MAX)
		return;
	seeds = calloc(list->n, sizeof(*seeds));
	r->failed |= !seeds;
	if (!seeds)
		return;
	for (size_t i = GRAPH_BOXES_MAX; i < list->n; i++)
		for (size_t s = 1; s < GRAPH_BOXES_MAX; s++)
			if (distance(&list->at[i], &list->at[s]) < distance(&list->at[i], &list->at[seeds[i]]))
				seeds[i] = s;
	for (size_t s = 0; s < GRAPH_BOXES_MAX; s++)
		groups[s] = put_together(r, list, seeds, s);
	free(seeds);
	memcpy(list->at, groups, sizeof(groups));
	list->n = GRAPH_BOXES_MAX;
	sort_tags(list, flat);
}

static bool print_numbers(struct report *r, const struct graph_node *n, const char *group, bool flat,
			  const char *source, FILE *out)
{
	struct tag_list list;
	bool any = false;

	if (!take_tags(r, n, group, flat, &list)) {
		free(list.at);
		return false;
	}
	collapse(r, &list, flat);
	for (size_t i = 0; i < list.n; i++) {
		const struct graph_tag *t = &list.at[i];
		bool as_flat = flat || flat_of(t) == cum_of(t);
		int64_t v = as_flat ? flat_of(t) : cum_of(t);
		char w[REPORT_NUMBER_MAX];

		if (!v)
			continue;
		report_text(r, v, w);
		fprintf(out, "N%s_%zu [label = \"%s\" id=\"N%s_%zu\" fontsize=8 shape=box3d tooltip=\"%s\"]\n",
			source, i, t->name, source, i, w);
		fprintf(out, "%s -> N%s_%zu [label=\" %s\" weight=100 tooltip=\"%s\" labeltooltip=\"%s\"%s]\n",
			source, source, i, w, w, w, as_flat ? "" : " style=\"dotted\"");
		any = true;
	}
	free(list.at);
	return any;
}

/* --- all --------------------------------------------------------------------------------------------- */

static bool print_label(struct report *r, const struct graph_node *n, const struct graph_tag *t, bool flat,
			uint32_t number, size_t i, FILE *out)
{
	int64_t v = flat ? flat_of(t) : cum_of(t);
	char w[REPORT_NUMBER_MAX], source[32];

	if (!v)
		return false;
	report_text(r, v, w);
	fprintf(out, "N%u_%zu [label = \"%s\" id=\"N%u_%zu\" fontsize=8 shape=box3d tooltip=\"%s\"]\n", number, i,
		t->name, number, i, w);
	fprintf(out, "N%u -> N%u_%zu [label=\" %s\" weight=100 tooltip=\"%s\" labeltooltip=\"%s\"]\n", number,
		number, i, w, w, w);
	snprintf(source, sizeof(source), "N%u_%zu", number, i);
	print_numbers(r, n, t->name, flat, source, out);
	return true;
}

bool report_dot_tags(struct report *r, const struct graph_node *n, uint32_t number, FILE *out)
{
	const char *no_labels = profile_string(r->p, "");
	struct tag_list list;
	char source[16];
	bool flat = false, any = false;

	for (uint32_t e = n->out; e != PROFILE_NONE; e = r->g->edges[e].next_out)
		flat |= !r->g->edges[e].cut;
	take_tags(r, n, NULL, flat, &list);
	for (size_t i = 0; i < list.n && i < GRAPH_BOXES_MAX; i++)
		any |= print_label(r, n, &list.at[i], flat, number, i, out);
	free(list.at);
	snprintf(source, sizeof(source), "N%u", number);
	return print_numbers(r, n, no_labels, flat, source, out) || any;
}
