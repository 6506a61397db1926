/* collectord/live/series.c - see series.h. */
#include "collectord/live/series.h"

#include <stdlib.h>

static int64_t at_least(uint64_t a, uint64_t b)
{
	return (int64_t)a > (int64_t)b ? (int64_t)a : (int64_t)b;
}

static int64_t at_most(uint64_t a, uint64_t b)
{
	return (int64_t)a < (int64_t)b ? (int64_t)a : (int64_t)b;
}

/* The later of two neighbours stands at the end; the extremes are those of both. */
static struct snapshot_point merged(const struct snapshot_point *a, const struct snapshot_point *b)
{
	struct snapshot_point m = *b;

	m.bytes_min = (uint64_t)at_most(a->bytes_min, b->bytes_min);
	m.bytes_max = (uint64_t)at_least(a->bytes_max, b->bytes_max);
	m.count_min = (uint64_t)at_most(a->count_min, b->count_min);
	m.count_max = (uint64_t)at_least(a->count_max, b->count_max);
	return m;
}

static void halve(struct series *v)
{
	struct snapshot_point *p = v->s.points;
	uint32_t n = v->s.n_points;

	for (uint32_t i = 0; i < n / 2; i++)
		p[i] = merged(&p[2 * i], &p[2 * i + 1]);
	if (n % 2)
		p[n / 2] = p[n - 1];
	v->s.n_points = n / 2 + n % 2;
	v->s.interval_ns *= 2;
}

static bool reserve(struct series *v, uint32_t n)
{
	uint32_t cap = v->cap ? v->cap : 16;
	struct snapshot_point *p;

	if (n <= v->cap)
		return true;
	while (cap < n)
		cap *= 2;
	p = reallocarray(v->s.points, cap, sizeof(*p));
	if (!p)
		return false;
	v->s.points = p;
	v->cap = cap;
	return true;
}

/* Nothing changed from the open interval's end to the new one's start. */
static void carry_on(struct series *v, uint32_t n)
{
	struct snapshot_point flat = v->s.points[v->s.n_points - 1];

	flat.bytes_min = flat.bytes_max = flat.bytes_last;
	flat.count_min = flat.count_max = flat.count_last;
	while (v->s.n_points < n)
		v->s.points[v->s.n_points++] = flat;
}

static void set_end(struct series *v)
{
	if (__builtin_mul_overflow(v->s.interval_ns, (uint64_t)v->s.n_points, &v->end_ns) ||
	    __builtin_add_overflow(v->end_ns, v->s.start_ns, &v->end_ns))
		v->end_ns = UINT64_MAX;
}

/* Make the interval of `t`, which lies behind the open one, the open one. */
static void open_interval(struct series *v, uint64_t t)
{
	struct snapshot_series *s = &v->s;
	uint32_t n;

	if (!s->n_points) {
		s->start_ns = t;
		s->interval_ns = SERIES_INTERVAL_NS;
	}
	while ((t - s->start_ns) / s->interval_ns >= SERIES_POINTS)
		halve(v);
	n = (uint32_t)((t - s->start_ns) / s->interval_ns) + 1;
	if (!reserve(v, n)) {
		v->broken = true;
		return;
	}
	if (s->n_points)
		carry_on(v, n);
	else
		s->points[s->n_points++] = (struct snapshot_point){ 0 };
	set_end(v);
}

void series_note(struct series *v, uint64_t t, const struct snapshot_point *now)
{
	struct snapshot_point *p;

	if (t >= v->end_ns && !v->broken && v->end_ns != UINT64_MAX)
		open_interval(v, t);
	if (v->broken)
		return;
	p = &v->s.points[v->s.n_points - 1];
	p->bytes_min = (uint64_t)at_most(p->bytes_min, now->bytes_last);
	p->bytes_max = (uint64_t)at_least(p->bytes_max, now->bytes_last);
	p->bytes_last = now->bytes_last;
	p->count_min = (uint64_t)at_most(p->count_min, now->count_last);
	p->count_max = (uint64_t)at_least(p->count_max, now->count_last);
	p->count_last = now->count_last;
	p->alloc_bytes = now->alloc_bytes;
	p->alloc_count = now->alloc_count;
}

void series_done(struct series *v)
{
	free(v->s.points);
	*v = (struct series){ 0 };
}
