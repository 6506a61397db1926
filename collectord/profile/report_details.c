/* collectord/profile/report_details.c - see report_details.h.
 *
 * Histograms are over powers of two, so a quantile is known to that: "<16 ms" is [8, 16). */
#include "collectord/profile/report_details.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/report_format.h"
#include "common/weight.h"

#define ROWS_SHOWN 30
#define TEXT_MAX 48
#define NONE "-"

static int fault_unknown(struct fault *f)
{
	return fault_set(f, -EINVAL,
			 "this profile does not know sizes and lifetimes; use a heaptap snapshot (*.heaptap)");
}

/* --- temporary ---------------------------------------------------------------------------------------- */

static int64_t rounded(uint64_t v, unsigned shift)
{
	return (int64_t)((v >> shift) + (v >> (shift - 1) & 1));
}

int report_make_temporary(struct profile *p, struct fault *f)
{
	struct profile_value_type *types;

	for (size_t i = 0; i < p->n_samples; i++)
		if (!p->samples[i].extra)
			return fault_unknown(f);
	types = profile_alloc(p, 2, sizeof(*types));
	if (types) {
		types[0] = (struct profile_value_type){ profile_string(p, "temporary_objects"),
							profile_string(p, "count") };
		types[1] = (struct profile_value_type){ profile_string(p, "temporary_space"),
							profile_string(p, "bytes") };
	}
	if (!types || !types[0].type || !types[0].unit || !types[1].type || !types[1].unit)
		return fault_set(f, -ENOMEM, "out of memory");
	p->sample_types = types;
	p->n_sample_types = 2;
	p->default_sample_type = types[1].type;
	for (size_t i = 0; i < p->n_samples; i++) {
		struct profile_sample *s = &p->samples[i];

		s->values = profile_alloc(p, 2, sizeof(*s->values));
		if (!s->values)
			return fault_set(f, -ENOMEM, "out of memory");
		s->values[0] = rounded(s->extra->temporary_count, WEIGHT_COUNT_SHIFT);
		s->values[1] = rounded(s->extra->temporary_bytes, WEIGHT_BYTES_SHIFT);
		s->variance = NULL;
	}
	return 0;
}

/* --- histograms --------------------------------------------------------------------------------------- */

/* The class in which the share `q` of a column is reached; PROFILE_NONE if the column is empty.  Cells may be a
 * little below 0, where a free was seen before its allocation: those count as none. */
static uint32_t quantile(const struct histogram *h, unsigned columns, unsigned column, double q)
{
	double total = 0, sum = 0;
	uint32_t last = PROFILE_NONE;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned c = 0; c < HISTOGRAM_MAX_CLASSES; c++) {
			int64_t v;

			if (!histogram_has(h, c))
				continue;
			v = (int64_t)h->cells[histogram_place(h, c) * columns + column];
			if (v <= 0)
				continue;
			*(pass ? &sum : &total) += (double)v;
			last = c;
			if (pass && sum >= q * total)
				return c;
		}
	return last;
}

static uint64_t column_total(const struct histogram *h, unsigned columns, unsigned column)
{
	uint64_t sum = histogram_total(h, columns, column);

	return (int64_t)sum < 0 ? 0 : sum;
}

static double most_common(const struct histogram *h, unsigned column, uint32_t *ret_class)
{
	double total = (double)column_total(h, SIZE_COLUMNS, column), best = 0;

	*ret_class = PROFILE_NONE;
	for (unsigned c = 0; c < HISTOGRAM_MAX_CLASSES; c++) {
		double v = histogram_has(h, c)
				   ? (double)(int64_t)h->cells[histogram_place(h, c) * SIZE_COLUMNS + column]
				   : 0;

		if (v > best) {
			best = v;
			*ret_class = c;
		}
	}
	return total > 0 ? best / total : 0;
}

/* "<16 ms": what is below the next class. */
static const char *lifetime_text(uint32_t class, char buf[TEXT_MAX])
{
	char text[REPORT_NUMBER_MAX];

	if (class == PROFILE_NONE)
		return NONE;
	if (class == LIFETIME_CLASSES - 1)
		return ">12 days";
	report_number(text, (int64_t)histogram_from(class + 1), "ms", "auto");
	snprintf(buf, TEXT_MAX, "<%.30s", text);
	return buf;
}

static const char *size_class_text(uint32_t class, char buf[TEXT_MAX])
{
	char text[REPORT_NUMBER_MAX];

	if (class == PROFILE_NONE)
		return NONE;
	if (class < 2)
		snprintf(buf, TEXT_MAX, "%u", class);
	else {
		report_number(text, (int64_t)histogram_from(class), "bytes", "auto");
		snprintf(buf, TEXT_MAX, "%.30s+", text);
	}
	return buf;
}

static const char *count_cell(uint64_t fixed, char buf[TEXT_MAX])
{
	snprintf(buf, TEXT_MAX, "%" PRId64, rounded(fixed, WEIGHT_COUNT_SHIFT));
	return buf;
}

/* --- tables ------------------------------------------------------------------------------------------- */

struct table {
	const char *title, *head;
	unsigned columns;
	void (*print)(const struct report_row *row, FILE *out);
};

/* How many objects a row of the table rests on: its order. */
static uint64_t objects_of(const struct report_row *row, const struct table *k)
{
	return k->columns == SIZE_COLUMNS ? column_total(&row->extra.sizes, SIZE_COLUMNS, SIZE_ALLOCATED)
					  : column_total(&row->extra.lifetimes, LIFETIME_COLUMNS, 0);
}

static void print_lifetimes(const struct report_row *row, FILE *out)
{
	const struct profile_extra *e = &row->extra;
	char buf[TEXT_MAX], age[REPORT_NUMBER_MAX];
	static const double shares[] = { 0.5, 0.9, 1 };

	report_pad(out, 10, count_cell(column_total(&e->lifetimes, LIFETIME_COLUMNS, 0), buf));
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		report_pad(out, 11, lifetime_text(quantile(&e->lifetimes, LIFETIME_COLUMNS, 0, shares[i]), buf));
	report_pad(out, 11, count_cell(e->in_use_count, buf));
	report_number(age, llround(profile_extra_age(e) / NS_PER_MS), "ms", "auto");
	report_pad(out, 11, e->in_use_count ? age : NONE);
	fprintf(out, "  %s\n", row->name);
}

static void print_sizes(const struct report_row *row, FILE *out)
{
	static const double shares[] = { 0, 0.5, 1 };
	const struct histogram *h = &row->extra.sizes;
	char buf[TEXT_MAX];
	uint32_t common;
	double share = most_common(h, SIZE_ALLOCATED, &common);

	report_pad(out, 10, count_cell(column_total(h, SIZE_COLUMNS, SIZE_ALLOCATED), buf));
	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		report_pad(out, 11, size_class_text(quantile(h, SIZE_COLUMNS, SIZE_ALLOCATED, shares[i]), buf));
	report_pad(out, 11, size_class_text(common, buf));
	fprintf(out, " %4.0f%%", 100 * share);
	report_pad(out, 11, count_cell(column_total(h, SIZE_COLUMNS, SIZE_IN_USE), buf));
	report_pad(out, 11, size_class_text(quantile(h, SIZE_COLUMNS, SIZE_IN_USE, 0.5), buf));
	fprintf(out, "  %s\n", row->name);
}

struct placed {
	const struct report_row *row;
	uint64_t objects;
};

static int compare(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	return x->objects != y->objects ? (x->objects > y->objects ? -1 : 1) : strcmp(x->row->name, y->row->name);
}

static int print_table(const struct report_rows *t, const struct table *k, int64_t limit, FILE *out)
{
	struct placed *all = calloc(t->n_rows + 1, sizeof(*all));
	struct report_row total = { .name = "total" };
	size_t n = 0, shown;
	int r = all ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < t->n_rows; i++) {
		const struct report_row *row = &t->rows[i];

		r = profile_extra_add(t->strings, &total.extra, &row->extra);
		if (!row->extra.lifetimes.classes && !row->extra.sizes.classes)
			continue;
		all[n++] = (struct placed){ row, objects_of(row, k) };
	}
	if (all)
		qsort(all, n, sizeof(*all), compare);
	shown = limit < 0 ? ROWS_SHOWN : limit ? (size_t)limit : n;
	shown = shown < n ? shown : n;
	if (!r) {
		fputs(k->title, out);
		if (total.extra.undated)
			fprintf(out,
				"%" PRIu64 " events are missing or inexact: they came while the collector lagged\n",
				total.extra.undated);
		if (shown < n)
			fprintf(out, "Showing %zu of %zu functions\n", shown, n);
		fputs(k->head, out);
		k->print(&total, out);
	}
	for (size_t i = 0; !r && i < shown; i++)
		k->print(all[i].row, out);
	free(all);
	return r;
}

static int print_details(const struct profile *p, const struct report_options *o, const struct table *k, FILE *out,
			 struct fault *f)
{
	struct report_rows *t = NULL;
	int r = report_rows_new(p, o, false, 1, &t, f);

	if (!r)
		r = t->has_extra ? print_table(t, k, o->node_count, out) : fault_unknown(f);
	if (r == -ENOMEM)
		fault_set(f, r, "out of memory");
	report_rows_free(t);
	return r;
}

int report_print_lifetimes(const struct profile *p, const struct report_options *o, FILE *out, struct fault *f)
{
	static const struct table k = {
		"Lifetimes of freed objects, ages of those in use, by allocating function\n",
		"     freed     median        90%    longest     in use   mean age  \n", LIFETIME_COLUMNS,
		print_lifetimes
	};

	return print_details(p, o, &k, out, f);
}

int report_print_sizes(const struct profile *p, const struct report_options *o, FILE *out, struct fault *f)
{
	static const struct table k = {
		"Sizes of objects as they were asked for, by allocating function\n",
		" allocated   smallest     median    largest     commonest      in use     median  \n",
		SIZE_COLUMNS, print_sizes
	};

	return print_details(p, o, &k, out, f);
}
