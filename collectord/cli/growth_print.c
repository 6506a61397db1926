/* collectord/cli/growth_print.c - see growth_print.h.  Leaks come first, what grew most before the others. */
#include "collectord/cli/growth_print.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/pager.h"
#include "collectord/cli/size.h"
#include "collectord/profile/growth.h"
#include "collectord/profile/report_format.h"

#define STACKS_SHOWN 10
#define NS_PER_S 1e9

struct judged {
	const struct report_row *row;
	struct growth g;
};

/* Order of kinds on the page. */
static int rank(enum growth_kind kind)
{
	static const int ranks[GROWTH_KINDS] = {
		[GROWTH_LEAK] = 0,    [GROWTH_PLATEAU] = 1, [GROWTH_SPIKE] = 2,
		[GROWTH_SHRINKS] = 3, [GROWTH_STEADY] = 4,
	};

	return ranks[kind];
}

static double weight(const struct growth *g)
{
	return g->kind == GROWTH_SPIKE ? (double)g->most : fabs((double)g->last - (double)g->first);
}

static int compare(const void *a, const void *b)
{
	const struct judged *x = a, *y = b;

	if (x->g.kind != y->g.kind)
		return rank(x->g.kind) - rank(y->g.kind);
	if (weight(&x->g) != weight(&y->g))
		return weight(&x->g) > weight(&y->g) ? -1 : 1;
	return strcmp(x->row->name, y->row->name);
}

static const char *paint(enum growth_kind kind)
{
	return pager_colour(kind == GROWTH_LEAK ? PAGER_RED : kind == GROWTH_SPIKE ? PAGER_YELLOW : PAGER_GREEN);
}

/* Per second in a short run, per hour in a long one. */
static void put_slope(const struct growth_table *t, double slope, double span, FILE *out)
{
	static const struct {
		double from, seconds;
		const char *unit;
	} scales[] = { { 7200, 3600, "h" }, { 300, 60, "min" }, { 0, 1, "s" } };
	char text[REPORT_NUMBER_MAX];
	size_t i = 0;

	while (span < scales[i].from)
		i++;
	report_number(text, llround(slope * scales[i].seconds), t->rows->unit, REPORT_UNIT_AUTO);
	fprintf(out, "%s%s/%s", slope > 0 ? "+" : "", text, scales[i].unit);
}

static void put_value(const struct growth_table *t, int64_t v, FILE *out)
{
	char text[REPORT_NUMBER_MAX];

	report_number(text, v, t->rows->unit, REPORT_UNIT_AUTO);
	fputs(text, out);
}

static void put_frames(const char *name, FILE *out)
{
	while (*name) {
		size_t n = strcspn(name, "\n");

		fprintf(out, "          %.*s\n", (int)n, name);
		name += n + (name[n] == '\n');
	}
}

static void put_stack(const struct growth_table *t, const struct judged *j, FILE *out)
{
	double span = t->seconds[t->rows->n_columns - 1] - t->seconds[0];
	char age[SIZE_TEXT_MAX];

	fprintf(out, "%s%-8s%s  ", paint(j->g.kind), growth_name(j->g.kind), pager_colour(PAGER_PLAIN));
	put_value(t, j->g.first, out);
	fputs(" -> ", out);
	put_value(t, j->g.last, out);
	if (t->rows->has_variance && j->g.error > 0) {
		fputs(" \u00b1 ", out);
		put_value(t, llround(j->g.error), out);
	}
	if (j->g.most > j->g.last && j->g.most > j->g.first) {
		fputs(", at most ", out);
		put_value(t, j->g.most, out);
	}
	fputs(", ", out);
	put_slope(t, j->g.slope, span, out);
	if (j->g.objects >= 0.5)
		fprintf(out, ", %.0f object%s", j->g.objects, j->g.objects < 1.5 ? "" : "s");
	if (j->g.age_s > 0)
		fprintf(out, " of mean age %s", time_text(age, (uint64_t)(j->g.age_s * NS_PER_S)));
	fputc('\n', out);
	put_frames(j->row->name, out);
}

static void put_head(const struct growth_table *t, const struct judged *all, size_t n, size_t suppressed, FILE *out)
{
	const struct report_rows *r = t->rows;
	size_t counts[GROWTH_KINDS] = { 0 };
	char span[SIZE_TEXT_MAX];
	bool first = true;

	for (size_t i = 0; i < n; i++)
		counts[all[i].g.kind]++;
	fprintf(out, "%s: %zu snapshots over %s\nType: %s, total ", t->what ? t->what : "?", r->n_columns,
		time_text(span, (uint64_t)((t->seconds[r->n_columns - 1] - t->seconds[0]) * NS_PER_S)), r->type);
	put_value(t, r->totals[0], out);
	fputs(" -> ", out);
	put_value(t, r->totals[r->n_columns - 1], out);
	fputs("\nStacks: ", out);
	for (int k = 0; k < GROWTH_KINDS; k++)
		for (enum growth_kind kind = 0; kind < GROWTH_KINDS; kind++)
			if (rank(kind) == k && (counts[kind] || kind == GROWTH_LEAK)) {
				fprintf(out, "%s%zu %s", first ? "" : ", ", counts[kind], growth_name(kind));
				first = false;
			}
	if (suppressed)
		fprintf(out, ", %zu suppressed", suppressed);
	fputc('\n', out);
}

static size_t judge_all(const struct growth_table *t, struct suppressions *s, struct judged *all,
			size_t *ret_suppressed)
{
	const struct report_rows *r = t->rows;
	size_t n = 0, suppressed = 0;

	for (size_t i = 0; i < r->n_rows; i++) {
		const struct report_cell *last = &r->rows[i].cells[r->n_columns - 1];

		if (suppressions_match(s, r->rows[i].matches, llround(last->objects), last->flat)) {
			suppressed++;
			continue;
		}
		all[n].row = &r->rows[i];
		all[n++].g = growth_judge(r->rows[i].cells, t->seconds, r->n_columns);
	}
	qsort(all, n, sizeof(*all), compare);
	*ret_suppressed = suppressed;
	return n;
}

int growth_print(const struct growth_table *t, const struct report_options *o, struct suppressions *s, FILE *out)
{
	struct judged *all = calloc(t->rows->n_rows + 1, sizeof(*all));
	size_t n, suppressed, wanted = 0, most;

	if (!all)
		return -ENOMEM;
	n = judge_all(t, s, all, &suppressed);
	put_head(t, all, n, suppressed, out);
	while (wanted < n && (t->all || rank(all[wanted].g.kind) <= rank(GROWTH_SPIKE)))
		wanted++;
	most = o->node_count < 0 ? STACKS_SHOWN : o->node_count ? (size_t)o->node_count : n;
	for (size_t i = 0; i < wanted && i < most; i++) {
		fputc('\n', out);
		put_stack(t, &all[i], out);
	}
	if (wanted > most)
		fprintf(out, "\n%zu more; -nodecount=0 shows all\n", wanted - most);
	suppressions_print(s, out);
	free(all);
	return 0;
}
