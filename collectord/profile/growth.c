/* collectord/profile/growth.c - see growth.h.
 *
 * Rules that a reader can check by eye, rather than a fit: first, middle (in time) and last value, and the highest.
 * Differences count when they are larger than their 95 % error.
 *   leak     last > first, and the second half of the time brought at least a quarter of it, in more than one step
 *   plateau  last > first, and the second half brought less, or one step brought nearly all: nothing repeats so far
 *   spike    the highest value was at least twice the first and the last
 *   shrinks  last < first */
#include "collectord/profile/growth.h"

#include <math.h>

#define MOMENTS_MIN 3    /* for a trend */
#define STILL_GROWS 0.25 /* share of the growth that came in the second half */
#define ONE_STEP 0.75    /* share of the growth that makes a step all of it */
#define SPIKE_FACTOR 2.0
#define NS_PER_S 1e9

static double error_between(const struct report_cell *a, const struct report_cell *b)
{
	return profile_error_95(a->flat_variance + b->flat_variance);
}

/* Did one interval bring nearly all of the growth? */
static bool is_one_step(const struct report_cell *cells, size_t n, double grown)
{
	double largest = 0;

	for (size_t i = 1; i < n; i++)
		largest = fmax(largest, (double)(cells[i].flat - cells[i - 1].flat));
	return largest > ONE_STEP * grown;
}

/* The last moment of the first half, though not the first of all: what came after that is known to be no beginning.
 */
static size_t middle_of(const double *seconds, size_t n)
{
	double half = (seconds[0] + seconds[n - 1]) / 2;
	size_t i = n > 1;

	while (i + 1 < n && seconds[i + 1] <= half)
		i++;
	return i;
}

/* Least squares over moments [from, n). */
static double slope_of(const struct report_cell *cells, const double *seconds, size_t from, size_t n)
{
	double count = (double)(n - from), t = 0, v = 0, tt = 0, tv = 0;

	for (size_t i = from; i < n; i++) {
		t += seconds[i] / count;
		v += (double)cells[i].flat / count;
	}
	for (size_t i = from; i < n; i++) {
		tt += (seconds[i] - t) * (seconds[i] - t);
		tv += (seconds[i] - t) * ((double)cells[i].flat - v);
	}
	return tt > 0 ? tv / tt : 0;
}

static size_t highest(const struct report_cell *cells, size_t n)
{
	size_t at = 0;

	for (size_t i = 1; i < n; i++)
		if (cells[i].flat > cells[at].flat)
			at = i;
	return at;
}

static bool is_spike(const struct report_cell *cells, size_t n)
{
	const struct report_cell *top = &cells[highest(cells, n)];
	const struct report_cell *ends[] = { &cells[0], &cells[n - 1] };

	for (size_t i = 0; i < 2; i++)
		if ((double)top->flat < SPIKE_FACTOR * (double)ends[i]->flat ||
		    (double)(top->flat - ends[i]->flat) <= error_between(top, ends[i]))
			return false;
	return true;
}

static enum growth_kind kind_of(const struct report_cell *cells, const double *seconds, size_t n)
{
	const struct report_cell *first = &cells[0], *last = &cells[n - 1], *middle = &cells[middle_of(seconds, n)];
	double grown = (double)(last->flat - first->flat), late = (double)(last->flat - middle->flat);

	if (n < MOMENTS_MIN)
		return GROWTH_STEADY;
	if (is_spike(cells, n))
		return GROWTH_SPIKE;
	if (fabs(grown) <= error_between(first, last))
		return GROWTH_STEADY;
	if (grown < 0)
		return GROWTH_SHRINKS;
	if (late < STILL_GROWS * grown || late <= error_between(middle, last) || is_one_step(cells, n, grown))
		return GROWTH_PLATEAU;
	return GROWTH_LEAK;
}

struct growth growth_judge(const struct report_cell *cells, const double *seconds, size_t n)
{
	const struct report_cell *last = &cells[n - 1];
	struct growth g = { .first = cells[0].flat, .last = last->flat, .most = cells[highest(cells, n)].flat };

	g.error = error_between(&cells[0], last);
	g.kind = kind_of(cells, seconds, n);
	g.slope = slope_of(cells, seconds, middle_of(seconds, n), n);
	g.objects = last->objects;
	g.age_s = last->objects > 0 ? last->ages_ns / last->objects / NS_PER_S : 0;
	return g;
}

const char *growth_name(enum growth_kind kind)
{
	static const char *const names[GROWTH_KINDS] = {
		[GROWTH_STEADY] = "steady", [GROWTH_LEAK] = "leak",       [GROWTH_PLATEAU] = "plateau",
		[GROWTH_SPIKE] = "spike",   [GROWTH_SHRINKS] = "shrinks",
	};

	return names[kind];
}
