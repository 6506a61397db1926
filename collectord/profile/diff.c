/* collectord/profile/diff.c - see diff.h.
 *
 * Both sides are independent samples, or made so (shared_error.h): variances of a difference add up.  A change
 * within its error is marked: it may be nothing but luck. */
#include "collectord/profile/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_format.h"

#define ROWS_SHOWN 30
#define UNKNOWN (-1.0)

struct change {
	const char *name;
	int64_t old, new, delta;
	double error; /* negative: unknown */
};

static double error_of(const struct report_rows *t, double old, double new)
{
	return t->has_variance ? profile_error_95(old + new) : UNKNOWN;
}

static struct change change_of(const struct report_rows *t, const struct report_row *row, bool cum)
{
	const struct report_cell *a = &row->cells[0], *b = &row->cells[1];
	struct change c = { .name = row->name, .old = cum ? a->cum : a->flat, .new = cum ? b->cum : b->flat };

	c.delta = report_add(c.new, (int64_t)(0 - (uint64_t)c.old));
	c.error = cum ? error_of(t, a->cum_variance, b->cum_variance)
		      : error_of(t, a->flat_variance, b->flat_variance);
	return c;
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static int compare(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	uint64_t m = magnitude(x->delta), n = magnitude(y->delta);

	return m != n ? (m > n ? -1 : 1) : strcmp(x->name, y->name);
}

static int print_number(const struct report_rows *t, const struct report_options *o, int64_t v, bool sign,
			FILE *out)
{
	char text[REPORT_NUMBER_MAX + 1];

	report_number(text + 1, v, t->unit, o->unit);
	*text = '+';
	report_pad(out, 10, sign && v > 0 ? text : text + 1);
	fputc(' ', out);
	return 0;
}

static void print_change(const struct report_rows *t, const struct report_options *o, const struct change *c,
			 const struct diff_paint *paint, FILE *out)
{
	bool sure = c->error < 0 || !c->delta || fabs((double)c->delta) > c->error;

	print_number(t, o, c->old, false, out);
	print_number(t, o, c->new, false, out);
	fputs(!sure || !c->delta ? "" : c->delta > 0 ? paint->more : paint->less, out);
	print_number(t, o, c->delta, true, out);
	fputs(!sure || !c->delta ? "" : paint->plain, out);
	if (c->error < 0)
		report_pad(out, 10, "?");
	else
		print_number(t, o, c->error < 9e18 ? llround(c->error) : INT64_MAX, false, out);
	fprintf(out, "%s %s  %s\n", c->error < 0 ? " " : "", sure ? " " : "~", c->name);
}

static void print_head(const struct report_rows *t, const struct report_options *o, size_t shown, size_t n,
		       const struct diff_paint *paint, FILE *out)
{
	struct change total = { .name = "total", .old = t->totals[0], .new = t->totals[1] };

	total.delta = report_add(total.new, (int64_t)(0 - (uint64_t)total.old));
	total.error = error_of(t, t->variances[0], t->variances[1]);
	fprintf(out, "Type: %s\n", t->type);
	if (shown < n)
		fprintf(out, "Showing %zu of %zu changes\n", shown, n);
	fprintf(out, "%10s %10s %10s %10s     %s\n", "old", "new", "delta", "\u00b1 error",
		o->cum ? "cumulative" : "flat");
	print_change(t, o, &total, paint, out);
}

static struct diff_total total_of(const struct report_rows *t)
{
	return (struct diff_total){ .old = t->totals[0],
				    .new = t->totals[1],
				    .error = error_of(t, t->variances[0], t->variances[1]) };
}

int diff_print(const struct report_rows *t, const struct report_options *o, const struct diff_paint *paint,
	       struct diff_total *ret, FILE *out)
{
	struct change *all = calloc(t->n_rows + 1, sizeof(*all));
	size_t n = 0, shown;
	bool unsure = false;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_rows; i++) {
		all[n] = change_of(t, &t->rows[i], o->cum);
		n += all[n].delta != 0;
	}
	qsort(all, n, sizeof(*all), compare);
	shown = o->node_count < 0 ? ROWS_SHOWN : o->node_count ? (size_t)o->node_count : n;
	shown = shown < n ? shown : n;
	print_head(t, o, shown, n, paint, out);
	for (size_t i = 0; i < shown; i++) {
		print_change(t, o, &all[i], paint, out);
		unsure |= all[i].error >= 0 && all[i].delta && fabs((double)all[i].delta) <= all[i].error;
	}
	if (unsure)
		fputs("~ is within the error: it may be nothing but luck of the samples\n", out);
	free(all);
	*ret = total_of(t);
	return 0;
}
