/* collectord/profile/report_rows.c - see report_rows.h.
 *
 * Nodes are those of the call graph, so a row is what a row of the top report is.  Stacks are grouped by sorting.
 */
#include "collectord/profile/report_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_work.h"
#include "common/weight.h"

#define COLUMN_KEY "heaptap::column"

/* A sample as its nodes, leaf first. */
struct walk {
	uint32_t *nodes, n, sample;
};

int report_rows_label(struct profile *p, uint32_t column)
{
	for (size_t i = 0; i < p->n_samples; i++) {
		struct profile_sample *s = &p->samples[i];
		struct profile_label *labels = profile_alloc(p, s->n_labels + 1, sizeof(*labels));

		if (!labels)
			return -ENOMEM;
		if (s->n_labels)
			memcpy(labels, s->labels, s->n_labels * sizeof(*labels));
		labels[s->n_labels] = (struct profile_label){ .key = profile_string(p, COLUMN_KEY),
							      .num = column,
							      .unit = profile_string(p, "") };
		if (!labels[s->n_labels].key || !labels[s->n_labels].unit)
			return -ENOMEM;
		s->labels = labels;
		s->n_labels++;
	}
	return 0;
}

static uint32_t column_of(const struct report_rows *t, const struct profile_sample *s)
{
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (!s->labels[i].str && !strcmp(s->labels[i].key, COLUMN_KEY) && s->labels[i].num >= 0 &&
		    (uint64_t)s->labels[i].num < t->n_columns)
			return (uint32_t)s->labels[i].num;
	return 0;
}

/* --- walks -------------------------------------------------------------------------------------------- */

static uint32_t depth_of(const struct report *r, const struct profile_sample *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_locations; i++)
		n += r->g->first_node[s->locations[i] + 1] - r->g->first_node[s->locations[i]];
	return n;
}

static int make_walk(struct report *r, uint32_t sample, struct walk *ret)
{
	const struct profile_sample *s = &r->p->samples[sample];
	uint32_t n = 0;

	ret->sample = sample;
	ret->n = depth_of(r, s);
	ret->nodes = profile_alloc(r->p, ret->n + 1, sizeof(*ret->nodes));
	if (!ret->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_locations; i++)
		for (uint32_t l = r->g->first_node[s->locations[i]]; l < r->g->first_node[s->locations[i] + 1]; l++)
			ret->nodes[n++] = r->g->line_nodes[l];
	return 0;
}

static int compare_walks(const void *a, const void *b)
{
	const struct walk *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return x->n ? memcmp(x->nodes, y->nodes, x->n * sizeof(*x->nodes)) : 0;
}

/* --- cells -------------------------------------------------------------------------------------------- */

static double variance_of(const struct report *r, const struct profile_sample *s)
{
	return s->variance ? s->variance[r->type] : 0;
}

static int add_flat(const struct report *r, struct report_rows *t, struct report_row *row,
		    const struct profile_sample *s)
{
	struct report_cell *c = &row->cells[column_of(t, s)];

	c->flat = report_add(c->flat, report_value(r, s));
	c->flat_variance += variance_of(r, s);
	if (!s->extra)
		return 0;
	c->objects += (double)s->extra->in_use_count / (1 << WEIGHT_COUNT_SHIFT);
	c->ages_ns += s->extra->ages_ns;
	return profile_extra_add(t->strings, &row->extra, s->extra);
}

static void add_cum(const struct report *r, struct report_rows *t, struct report_row *row,
		    const struct profile_sample *s)
{
	struct report_cell *c = &row->cells[column_of(t, s)];

	c->cum = report_add(c->cum, report_value(r, s));
	c->cum_variance += variance_of(r, s);
}

static int new_row(struct report_rows *t, const char *name, const char *matches)
{
	struct report_row *row = &t->rows[t->n_rows];

	row->cells = profile_alloc(t->strings, t->n_columns, sizeof(*row->cells));
	row->name = name ? profile_string(t->strings, name) : NULL;
	row->matches = matches ? profile_string(t->strings, matches) : NULL;
	if (!row->cells || !row->name || !row->matches)
		return -ENOMEM;
	t->n_rows++;
	return 0;
}

/* --- by function -------------------------------------------------------------------------------------- */

/* Nodes of equal names are one row: what they are in memory differs from run to run. */
struct named {
	const char *name;
	uint32_t node;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int make_function_rows(struct report *r, struct report_rows *t, uint32_t *row_of)
{
	struct named *all = profile_alloc(r->p, r->g->n_nodes + 1, sizeof(*all));
	int err = all ? 0 : -ENOMEM;

	for (uint32_t i = 0; all && i < r->g->n_nodes; i++)
		all[i] = (struct named){ r->g->nodes[i].label, i };
	if (all && r->g->n_nodes)
		qsort(all, r->g->n_nodes, sizeof(*all), compare_named);
	for (uint32_t i = 0; !err && i < r->g->n_nodes; i++) {
		if (!i || strcmp(all[i].name, all[i - 1].name) != 0)
			err = new_row(t, all[i].name, "");
		row_of[all[i].node] = (uint32_t)t->n_rows - 1;
	}
	return err;
}

static int fill_by_function(struct report *r, struct report_rows *t)
{
	uint32_t *row_of = profile_alloc(r->p, r->g->n_nodes + 1, sizeof(*row_of));
	uint64_t *seen = profile_alloc(r->p, r->g->n_nodes + 1, sizeof(*seen));
	int err = row_of && seen ? make_function_rows(r, t, row_of) : -ENOMEM;

	for (uint32_t i = 0; !err && i < r->p->n_samples; i++) {
		struct walk w = { 0 };

		err = make_walk(r, i, &w);
		for (uint32_t n = 0; !err && n < w.n; n++) {
			uint32_t row = row_of[w.nodes[n]];

			if (!n)
				err = add_flat(r, t, &t->rows[row], &r->p->samples[i]);
			if (seen[row] != i + 1ull)
				add_cum(r, t, &t->rows[row], &r->p->samples[i]);
			seen[row] = i + 1ull;
		}
	}
	return err;
}

/* --- by stack ----------------------------------------------------------------------------------------- */

static void put_matches(const struct report *r, const struct profile_sample *s, FILE *out)
{
	for (uint32_t i = 0; i < s->n_locations; i++) {
		const struct profile_location *l = &r->p->locations[s->locations[i]];

		for (uint32_t k = 0; k < l->n_lines; k++) {
			const struct profile_function *fn = &r->p->functions[l->lines[k].function];

			fprintf(out, "%s\n%s\n", fn->name, fn->filename);
		}
		if (l->mapping != PROFILE_NONE)
			fprintf(out, "%s\n", r->p->mappings[l->mapping].file);
	}
}

static int new_stack_row(const struct report *r, struct report_rows *t, const struct walk *w)
{
	char *name = NULL, *matches = NULL;
	size_t len;
	FILE *names = open_memstream(&name, &len), *more = open_memstream(&matches, &len);
	int err = names && more ? 0 : -ENOMEM;

	for (uint32_t i = 0; names && i < w->n; i++)
		fprintf(names, "%s%s", i ? "\n" : "", r->g->nodes[w->nodes[i]].label);
	if (more)
		put_matches(r, &r->p->samples[w->sample], more);
	if (names && fclose(names))
		err = -ENOMEM;
	if (more && fclose(more))
		err = -ENOMEM;
	if (!err)
		err = new_row(t, name, matches);
	free(name);
	free(matches);
	return err;
}

static int fill_by_stack(struct report *r, struct report_rows *t)
{
	struct walk *walks = profile_alloc(r->p, r->p->n_samples + 1, sizeof(*walks));
	int err = walks ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < r->p->n_samples; i++)
		err = make_walk(r, i, &walks[i]);
	if (!err && r->p->n_samples)
		qsort(walks, r->p->n_samples, sizeof(*walks), compare_walks);
	for (size_t i = 0; !err && i < r->p->n_samples; i++) {
		const struct profile_sample *s = &r->p->samples[walks[i].sample];

		if (!i || compare_walks(&walks[i - 1], &walks[i]))
			err = new_stack_row(r, t, &walks[i]);
		if (err)
			break;
		err = add_flat(r, t, &t->rows[t->n_rows - 1], s);
		add_cum(r, t, &t->rows[t->n_rows - 1], s);
	}
	return err;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static int fill(struct report *r, struct report_rows *t, bool by_stack)
{
	size_t most = by_stack ? r->p->n_samples : r->g->n_nodes;

	t->rows = profile_alloc(t->strings, most + 1, sizeof(*t->rows));
	t->totals = profile_alloc(t->strings, t->n_columns, sizeof(*t->totals));
	t->variances = profile_alloc(t->strings, t->n_columns, sizeof(*t->variances));
	t->unit = profile_string(t->strings, r->unit);
	t->type = profile_string(t->strings, r->out_type);
	if (!t->rows || !t->totals || !t->variances || !t->unit || !t->type)
		return -ENOMEM;
	t->has_variance = t->has_extra = true;
	for (size_t i = 0; i < r->p->n_samples; i++) {
		const struct profile_sample *s = &r->p->samples[i];
		uint32_t column = column_of(t, s);

		t->totals[column] = report_add(t->totals[column], report_value(r, s));
		t->variances[column] += variance_of(r, s);
		t->has_variance &= s->variance != NULL;
		t->has_extra &= s->extra != NULL;
	}
	return by_stack ? fill_by_stack(r, t) : fill_by_function(r, t);
}

int report_rows_new(const struct profile *p, const struct report_options *o, bool by_stack, uint32_t n_columns,
		    struct report_rows **ret, struct fault *f)
{
	struct report_rows *t = calloc(1, sizeof(*t));
	struct report *r = NULL;
	int err = t ? 0 : -ENOMEM;

	if (t) {
		t->strings = profile_new();
		t->n_columns = n_columns;
		err = t->strings ? report_open(p, o, &r, f) : -ENOMEM;
	}
	if (!err)
		err = fill(r, t, by_stack);
	report_close(r);
	if (err == -ENOMEM)
		fault_set(f, err, "out of memory");
	if (err)
		report_rows_free(t);
	else
		*ret = t;
	return err;
}

void report_rows_free(struct report_rows *t)
{
	if (t)
		profile_free(t->strings);
	free(t);
}
