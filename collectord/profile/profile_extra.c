/* collectord/profile/profile_extra.c - errors of a profile's numbers, and what snapshots know beside them.
 *
 * Pure, one thread; memory comes from the profile's arena. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "collectord/profile/profile.h"
#include "common/weight.h"

#define ERRORS_IN_95 1.96 /* standard errors; two-sided, normal */

double profile_error_95(double variance)
{
	return variance > 0 ? ERRORS_IN_95 * sqrt(variance) : 0;
}

bool profile_variance(const struct profile *p, size_t type, double *ret)
{
	double sum = 0;

	for (size_t i = 0; i < p->n_samples; i++) {
		if (!p->samples[i].variance)
			return false;
		sum += p->samples[i].variance[type];
	}
	*ret = sum;
	return true;
}

static int add_histogram(struct profile *p, struct histogram *sum, const struct histogram *h, unsigned columns)
{
	uint64_t cells[HISTOGRAM_MAX_CLASSES * SIZE_COLUMNS];
	const struct histogram old = *sum;
	struct histogram made;
	size_t n;

	if (!h->classes)
		return 0;
	if (old.classes) {
		histogram_sum(&old, h, columns, &made, cells);
	} else { /* the common case, a hundred thousand times */
		made = *h;
		memcpy(cells, h->cells, (size_t)histogram_used(h) * columns * sizeof(*cells));
	}
	n = (size_t)histogram_used(&made) * columns;
	made.cells = old.cells;
	if (made.classes != old.classes)
		made.cells = profile_alloc(p, n, sizeof(*made.cells));
	if (!made.cells)
		return -ENOMEM;
	memcpy(made.cells, cells, n * sizeof(*cells));
	*sum = made;
	return 0;
}

int profile_extra_add(struct profile *p, struct profile_extra *sum, const struct profile_extra *e)
{
	int r = add_histogram(p, &sum->lifetimes, &e->lifetimes, LIFETIME_COLUMNS);

	if (!r)
		r = add_histogram(p, &sum->sizes, &e->sizes, SIZE_COLUMNS);
	if (r)
		return r;
	sum->allocs += e->allocs;
	sum->frees += e->frees;
	sum->temporary_count += e->temporary_count;
	sum->temporary_bytes += e->temporary_bytes;
	sum->in_use_count += e->in_use_count;
	sum->in_use_bytes += e->in_use_bytes;
	sum->peak_count += e->peak_count;
	sum->peak_bytes += e->peak_bytes;
	sum->var_in_use_count += e->var_in_use_count;
	sum->var_in_use_bytes += e->var_in_use_bytes;
	sum->var_peak_count += e->var_peak_count;
	sum->var_peak_bytes += e->var_peak_bytes;
	sum->ages_ns += e->ages_ns;
	sum->undated += e->undated;
	return 0;
}

double profile_extra_age(const struct profile_extra *e)
{
	const double objects = (double)e->in_use_count / (1 << WEIGHT_COUNT_SHIFT);

	return objects > 0 ? e->ages_ns / objects : 0;
}
