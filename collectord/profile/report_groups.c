/* collectord/profile/report_groups.c - see report_groups.h.
 *
 * Stacks are sampled independently of each other, so the variance of a group is the sum of those of its samples. */
#include "collectord/profile/report_groups.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/report_work.h"

#define ROWS_SHOWN 30
#define PLUS_MINUS "\xc2\xb1"
#define MIN_COLUMN 10
#define ERROR_COLUMN 9

struct group {
	const char *name; /* NULL: samples without labels */
	int64_t number;
	bool has_number;
	int64_t *values; /* per sample type, like the next */
	double *variances;
};

struct groups {
	struct report *r;
	const struct report_group_by *by;
	struct group *all; /* [0]: everything */
	size_t n, room;
	struct index index;
	bool has_errors, has_labels;
};

static struct group group_of(const struct groups *t, const struct profile_sample *s)
{
	struct group g = { 0 };

	for (uint32_t i = 0; i < s->n_labels; i++) {
		const struct profile_label *l = &s->labels[i];

		if (l->str && !g.name && !strcmp(l->key, t->by->name_key))
			g.name = l->str;
		if (!l->str && !g.has_number && !strcmp(l->key, t->by->number_key)) {
			g.number = l->num;
			g.has_number = true;
		}
	}
	return g;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

struct group_key {
	const struct groups *t;
	const struct group *g;
};

static bool same_group(const void *ctx, uint32_t entry)
{
	const struct group_key *k = ctx;
	const struct group *a = &k->t->all[entry], *b = k->g;

	return a->has_number == b->has_number && a->number == b->number && same_text(a->name, b->name);
}

static uint64_t hash_group(const struct group *g)
{
	uint64_t h = hash_word(g->has_number, (uint64_t)g->number);

	for (const char *c = g->name; c && *c; c++)
		h = hash_word(h, (unsigned char)*c);
	return h;
}

/* The group like `g`, new or old; NULL: out of memory. */
static struct group *add_group(struct groups *t, const struct group *g)
{
	const struct group_key key = { t, g };
	const uint64_t hash = hash_group(g);
	uint32_t at = t->n ? index_find(&t->index, hash, same_group, &key) : ARENA_NONE;
	const size_t types = t->r->p->n_sample_types;

	if (at != ARENA_NONE)
		return &t->all[at];
	if (!profile_reserve(t->r->p, &t->all, t->n, &t->room, sizeof(*t->all)))
		return NULL;
	t->all[t->n] = *g;
	t->all[t->n].values = profile_alloc(t->r->p, types, sizeof(int64_t));
	t->all[t->n].variances = profile_alloc(t->r->p, types, sizeof(double));
	if (!t->all[t->n].values || !t->all[t->n].variances ||
	    (t->n && !index_add(&t->index, hash, (uint32_t)t->n)))
		return NULL;
	return &t->all[t->n++];
}

static void add_values(const struct groups *t, struct group *g, const struct profile_sample *s)
{
	for (size_t i = 0; i < t->r->p->n_sample_types; i++) {
		g->values[i] = report_add(g->values[i], s->values[i]);
		if (t->has_errors)
			g->variances[i] += s->variance[i];
	}
}

static int collect(struct groups *t)
{
	const struct group everything = { .name = "total" };
	const struct profile *p = t->r->p;

	if (!add_group(t, &everything))
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct group key = group_of(t, &p->samples[i]);
		struct group *g = add_group(t, &key);

		if (!g)
			return -ENOMEM;
		t->has_labels |= key.name || key.has_number;
		add_values(t, g, &p->samples[i]);
		add_values(t, &t->all[0], &p->samples[i]);
	}
	return 0;
}

/* The type that orders rows, then the others as they come. */
static size_t column_type(const struct groups *t, size_t column)
{
	return !column ? t->r->type : column <= t->r->type ? column - 1 : column;
}

static int column_width(const char *name)
{
	const int n = (int)strlen(name);

	return n < MIN_COLUMN ? MIN_COLUMN : n;
}

static void print_head(const struct groups *t, FILE *out)
{
	const struct profile *p = t->r->p;

	for (size_t c = 0; c < p->n_sample_types; c++) {
		const char *name = p->sample_types[column_type(t, c)].type;

		fprintf(out, "%s%*s", c ? " " : "", column_width(name), name);
		if (t->has_errors)
			fprintf(out, " %*s" PLUS_MINUS, ERROR_COLUMN - 1, "");
		if (!c)
			fprintf(out, "      %%");
	}
	fprintf(out, "  %s\n", t->by->what);
}

/* Does the name say the number already, as "server (4711)" and "thread 4711" do? */
static bool ends_with(const char *name, const char *number)
{
	size_t n = strlen(name), k = strlen(number);

	return n >= k && !strcmp(name + n - k, number);
}

static void print_name(const struct groups *t, const struct group *g, FILE *out)
{
	char number[32], braced[32];

	snprintf(number, sizeof(number), " %" PRId64, g->number);
	snprintf(braced, sizeof(braced), " (%" PRId64 ")", g->number);
	if (g == t->all)
		fputs("total", out);
	else if (!g->name && !g->has_number)
		fprintf(out, "[no %s]", t->by->what);
	else if (g->name)
		fprintf(out, "%s%s", g->name,
			g->has_number && !ends_with(g->name, number) && !ends_with(g->name, braced) ? braced : "");
	else
		fprintf(out, "%" PRId64, g->number);
}

static void print_group(const struct groups *t, const struct group *g, FILE *out)
{
	char num[REPORT_NUMBER_MAX];
	const struct profile *p = t->r->p;

	for (size_t c = 0; c < p->n_sample_types; c++) {
		const size_t type = column_type(t, c);
		const struct profile_value_type *k = &p->sample_types[type];
		const char *unit = report_same_kind(k->unit, t->r->o.unit) ? t->r->o.unit : REPORT_UNIT_AUTO;

		report_number(num, g->values[type], k->unit, unit);
		if (c)
			fputc(' ', out);
		report_pad(out, column_width(k->type), num);
		if (t->has_errors) {
			const double error = profile_error_95(g->variances[type]);

			report_number(num, error < 9e18 ? llround(error) : INT64_MAX, k->unit, unit);
			fputc(' ', out);
			report_pad(out, ERROR_COLUMN, num);
		}
		if (!c) {
			report_percentage(num, g->values[type], t->r->total);
			fprintf(out, " %s", num);
		}
	}
	fputs("  ", out);
	print_name(t, g, out);
	fputc('\n', out);
}

static int compare(const void *a, const void *b, void *arg)
{
	const size_t order_type = *(const size_t *)arg;
	const struct group *x = *(const struct group *const *)a, *y = *(const struct group *const *)b;
	int c = report_by_magnitude(x->values[order_type], y->values[order_type]);

	for (size_t i = 0; !c && i < order_type; i++)
		c = report_by_magnitude(x->values[i], y->values[i]);
	if (!c)
		c = strcmp(x->name ? x->name : "", y->name ? y->name : "");
	return c ? c : x->number < y->number ? -1 : x->number > y->number;
}

static int print_rows(struct groups *t, FILE *out)
{
	const int64_t limit = t->r->o.node_count;
	const struct group **order = calloc(t->n, sizeof(struct group *));
	const size_t n = t->n - 1, wanted = limit < 0 ? ROWS_SHOWN : limit ? (size_t)limit : n;
	const size_t shown = wanted < n ? wanted : n;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = &t->all[i + 1];
	qsort_r(order, n, sizeof(struct group *), compare, &t->r->type);
	if (t->has_errors)
		report_label(t->r, PLUS_MINUS " is half the 95%% interval");
	if (shown < n)
		report_label(t->r, "Showing %zu of %zu", shown, n);
	report_print_labels(t->r, out);
	print_head(t, out);
	print_group(t, t->all, out);
	for (size_t i = 0; i < shown; i++)
		print_group(t, order[i], out);
	free(order);
	return 0;
}

/* Exact numbers, and those of files that do not say, have no interval. */
static bool knows_errors(const struct profile *p)
{
	double unused;

	return p->period != 1 && p->n_samples && profile_variance(p, 0, &unused);
}

int report_print_groups(const struct profile *p, const struct report_options *o, const struct report_group_by *by,
			FILE *out, struct fault *f)
{
	struct groups t = { .by = by };
	int r = report_open(p, o, &t.r, f);

	if (!r) {
		t.has_errors = knows_errors(t.r->p);
		report_profile_labels(t.r);
		r = collect(&t);
	}
	if (!r && t.r->p->n_samples && !t.has_labels)
		r = fault_set(f, -EINVAL, "-by=%s: %s", by->what, by->mend);
	if (!r)
		r = print_rows(&t, out);
	if (!r && t.r->failed)
		r = -ENOMEM;
	if (r == -ENOMEM)
		fault_set(f, r, "out of memory");
	index_done(&t.index);
	report_close(t.r);
	return r;
}
