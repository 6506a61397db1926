/* collectord/profile/report_tags.c - the `tags` report: how much each value of each label accounts for.
 *
 * The lines go through a small table setter with the rules of Go's text/tabwriter: cells end in tabs, a column is
 * as wide as the widest cell of neighbouring lines that have it, plus one, aligned right. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_work.h"
#include "collectord/profile/arena.h"

/* --- the sums ---------------------------------------------------------------------------------------- */

struct tag_value {
	const char *key, *value;
	int64_t sum;
};

struct tag_values {
	struct tag_value *at;
	size_t n, room;
};

static int add_value(struct tag_values *t, const char *key, const char *value, int64_t sum)
{
	if (!table_reserve(&t->at, t->n, &t->room, sizeof(*t->at)))
		return -ENOMEM;
	t->at[t->n++] = (struct tag_value){ key, value, sum };
	return 0;
}

static int by_key_and_value(const void *pa, const void *pb)
{
	const struct tag_value *a = pa, *b = pb;
	int r = strcmp(a->key, b->key);

	return r ? r : strcmp(a->value, b->value);
}

static int by_sum(const void *pa, const void *pb)
{
	const struct tag_value *a = pa, *b = pb;

	if (a->sum != b->sum)
		return report_by_magnitude(a->sum, b->sum);
	return strcmp(a->value, b->value);
}

static int collect(struct report *r, struct tag_values *t)
{
	char number[REPORT_NUMBER_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->p->n_samples; i++) {
		const struct profile_sample *s = &r->p->samples[i];

		for (uint32_t k = 0; k < s->n_labels; k++) {
			const struct profile_label *l = &s->labels[k];
			const char *value = l->str;

			if (!value) {
				report_number(number, l->num, report_label_unit(r, l->key), r->out_unit);
				value = profile_string(r->p, number);
			}
			if (!value || add_value(t, l->key, value, report_value(r, s)))
				return -ENOMEM;
		}
	}
	if (t->n)
		qsort(t->at, t->n, sizeof(*t->at), by_key_and_value);
	for (size_t i = 0; i < t->n; i++)
		if (n && !by_key_and_value(&t->at[n - 1], &t->at[i]))
			t->at[n - 1].sum = report_add(t->at[n - 1].sum, t->at[i].sum);
		else
			t->at[n++] = t->at[i];
	t->n = n;
	return 0;
}

/* --- the lines --------------------------------------------------------------------------------------- */

/* Newer pprof writes amounts as everywhere and compares with the whole profile. */
static void print_key_upstream(struct report *r, const struct tag_value *v, size_t n, int64_t total, FILE *out)
{
	char sum[REPORT_NUMBER_MAX], all[REPORT_NUMBER_MAX], share[REPORT_NUMBER_MAX];

	report_percentage(share, total, r->total);
	fprintf(out, "%s:\t Total %s of %s (%s)\n", v->key, report_text(r, total, sum),
		report_text(r, r->total, all), share);
	for (size_t i = 0; i < n; i++) {
		report_percentage(share, v[i].sum, r->total);
		fprintf(out, " \t%s (%s):\t %s\n", report_text(r, v[i].sum, sum), share, v[i].value);
	}
	fputc('\n', out);
}

static void print_key(struct report *r, const struct tag_value *v, size_t n, int64_t total, FILE *out)
{
	char share[REPORT_NUMBER_MAX];
	const char *unit;
	double amount = report_scale(total, r->unit, r->out_unit, &unit);

	fprintf(out, "%s:\t Total %.1f%s\n", v->key, amount, unit);
	for (size_t i = 0; i < n; i++) {
		amount = report_scale(v[i].sum, r->unit, r->out_unit, &unit);
		if (total > 0) {
			report_percentage(share, v[i].sum, total);
			fprintf(out, " \t%.1f%s (%s):\t %s\n", amount, unit, share, v[i].value);
		} else {
			fprintf(out, " \t%.1f%s:\t %s\n", amount, unit, v[i].value);
		}
	}
	fputc('\n', out);
}

static void print_all(struct report *r, const struct tag_values *t, FILE *out)
{
	for (size_t i = 0, end; i < t->n; i = end) {
		int64_t total = 0;

		for (end = i; end < t->n && !strcmp(t->at[end].key, t->at[i].key); end++)
			total = report_add(total, t->at[end].sum);
		qsort(&t->at[i], end - i, sizeof(*t->at), by_sum);
		(r->o.upstream ? print_key_upstream : print_key)(r, &t->at[i], end - i, total, out);
	}
}

/* --- the columns ------------------------------------------------------------------------------------- */

#define COLUMNS_MAX 8

struct row {
	const char *cells[COLUMNS_MAX]; /* those that end in a tab; then the rest of the line */
	size_t lengths[COLUMNS_MAX];
	size_t n;
	int widths[COLUMNS_MAX];
};

static int characters(const char *s, size_t n)
{
	int count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)s[i] & 0xc0) != 0x80;
	return count;
}

/* Cut a line into cells; the last one ends with the line.  Returns the start of the next. */
static char *split_row(char *line, struct row *row)
{
	char *end = strchr(line, '\n');

	row->n = 0;
	while (row->n < COLUMNS_MAX - 1) {
		char *tab = memchr(line, '\t', (size_t)(end - line));

		row->cells[row->n] = line;
		row->lengths[row->n] = (size_t)((tab ? tab : end) - line);
		if (!tab)
			break;
		row->n++;
		line = tab + 1;
	}
	return end + 1;
}

static void set_widths(struct row *rows, size_t n, size_t column)
{
	for (size_t i = 0, end; i < n; i = end + 1) {
		int width = 0;

		for (end = i; end < n && rows[end].n > column; end++) {
			int w = characters(rows[end].cells[column], rows[end].lengths[column]);

			width = w > width ? w : width;
		}
		for (size_t k = i; k < end; k++)
			rows[k].widths[column] = width + 1;
	}
}

static int set_table(char *text, FILE *out)
{
	size_t n = 0, at = 0;
	struct row *rows;

	for (const char *t = text; *t; t++)
		n += *t == '\n';
	rows = calloc(n + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (char *line = text; *line; at++)
		line = split_row(line, &rows[at]);
	for (size_t c = 0; c < COLUMNS_MAX; c++)
		set_widths(rows, n, c);
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];

		for (size_t c = 0; c < row->n; c++) {
			int pad = row->widths[c] - characters(row->cells[c], row->lengths[c]);

			fprintf(out, "%*s%.*s", pad, "", (int)row->lengths[c], row->cells[c]);
		}
		fprintf(out, "%.*s\n", (int)row->lengths[row->n], row->cells[row->n]);
	}
	free(rows);
	return 0;
}

int report_print_tags(struct report *r, FILE *out)
{
	struct tag_values values = { 0 };
	char *text = NULL;
	size_t len;
	FILE *lines = open_memstream(&text, &len);
	int err = lines ? collect(r, &values) : -ENOMEM;

	if (!err)
		print_all(r, &values, lines);
	if (lines && fclose(lines) && !err)
		err = -ENOMEM;
	if (!err)
		err = set_table(text, out);
	free(text);
	free(values.at);
	return err;
}
