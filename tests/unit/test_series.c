/* tests/unit/test_series.c - the time series against a model that remembers every event. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/series.h"

#define EVENTS 20000
#define MS 1000000ull

static struct snapshot_point noted[EVENTS];
static uint64_t times[EVENTS];

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What [from, to) saw, given what was before it: events count where the latest time so far is. */
static struct snapshot_point model(const struct snapshot_point *before, uint64_t from, uint64_t to, int n)
{
	struct snapshot_point p = *before;
	uint64_t latest = 0;

	p.bytes_min = p.bytes_max = p.bytes_last;
	p.count_min = p.count_max = p.count_last;
	for (int i = 0; i < n; i++) {
		latest = times[i] > latest ? times[i] : latest;
		if (latest < from || latest >= to)
			continue;
		p.bytes_min = (uint64_t)min_of((int64_t)p.bytes_min, (int64_t)noted[i].bytes_last);
		p.bytes_max = (uint64_t)max_of((int64_t)p.bytes_max, (int64_t)noted[i].bytes_last);
		p.count_min = (uint64_t)min_of((int64_t)p.count_min, (int64_t)noted[i].count_last);
		p.count_max = (uint64_t)max_of((int64_t)p.count_max, (int64_t)noted[i].count_last);
		p.bytes_last = noted[i].bytes_last;
		p.count_last = noted[i].count_last;
		p.alloc_bytes = noted[i].alloc_bytes;
		p.alloc_count = noted[i].alloc_count;
	}
	return p;
}

static void check(const struct snapshot_series *s, int n)
{
	struct snapshot_point before = { 0 };
	uint64_t latest = 0;

	for (int i = 0; i < n; i++)
		latest = times[i] > latest ? times[i] : latest;
	cr_assert_leq(s->n_points, SERIES_POINTS);
	cr_assert_eq(s->start_ns, times[0]);
	cr_assert_eq((latest - s->start_ns) / s->interval_ns, s->n_points - 1, "it ends with the last event");
	for (uint32_t i = 0; i < s->n_points; i++) {
		uint64_t from = s->start_ns + i * s->interval_ns;
		struct snapshot_point want = model(&before, from, from + s->interval_ns, n);

		cr_assert_arr_eq(&s->points[i], &want, sizeof(want), "interval %u of %u", i, s->n_points);
		before = want;
	}
}

/* Times that stand still, step, fall back a tick, and at last leap. */
static uint64_t next_time(uint64_t t, unsigned *seed)
{
	switch (rand_r(seed) % 8) {
	case 0:
		return t + (uint64_t)rand_r(seed) % (8 * MS);
	case 1:
		return t > 4 * MS ? t - (uint64_t)rand_r(seed) % (4 * MS) : t;
	case 2:
		return t + (rand_r(seed) % 300 ? 0 : (uint64_t)rand_r(seed) % (3000 * MS));
	default:
		return t;
	}
}

static int fill(struct series *v, unsigned seed, int n)
{
	uint64_t t = (uint64_t)rand_r(&seed) % (1000 * MS);
	struct snapshot_point p = { 0 };

	for (int i = 0; i < n; i++) {
		t = next_time(t, &seed);
		p.bytes_last += (uint64_t)(rand_r(&seed) % 1000 - 490);
		p.count_last += (uint64_t)(rand_r(&seed) % 10 - 5);
		p.alloc_bytes += (uint64_t)rand_r(&seed);
		p.alloc_count++;
		noted[i] = p;
		times[i] = t;
		series_note(v, t, &p);
	}
	return n;
}

Test(series, equals_a_model_that_remembers_everything, .timeout = 120)
{
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct series v = { 0 };
		int n = fill(&v, seed, seed <= 20 ? (int)seed * 10 : EVENTS / 4);

		check(&v.s, n);
		series_done(&v);
	}
}

Test(series, a_long_run_is_as_large_as_a_short_one)
{
	struct series v = { 0 };
	struct snapshot_point p = { 0 };

	/* A spike of one event among ten days of quiet. */
	for (uint64_t s = 0; s < 864000; s += 5) {
		p.bytes_last = s == 300000 ? 1 << 20 : 10;
		series_note(&v, s * 1000 * MS, &p);
	}
	cr_assert_leq(v.s.n_points, SERIES_POINTS);
	cr_assert_gt(v.s.n_points, SERIES_POINTS / 2);
	cr_assert_leq(v.cap, SERIES_POINTS);
	for (uint32_t i = 0; i < v.s.n_points; i++) {
		uint64_t from = v.s.start_ns + i * v.s.interval_ns, spike = 300000 * 1000 * MS;
		bool holds = from <= spike && spike - from < v.s.interval_ns;

		cr_assert_eq(v.s.points[i].bytes_max, holds ? 1u << 20 : 10u, "interval %u", i);
		cr_assert_eq(v.s.points[i].bytes_min, i ? 10u : 0u);
	}
	series_done(&v);
}

Test(series, the_end_of_time_is_no_trap)
{
	struct series v = { 0 };
	struct snapshot_point p = { .bytes_last = 7 };
	uint32_t n;

	series_note(&v, 1ull << 63, &p);
	series_note(&v, UINT64_MAX, &p);
	n = v.s.n_points;
	cr_assert_leq(n, SERIES_POINTS);
	p.bytes_last = 3;
	for (unsigned bit = 0; bit < 64; bit++)
		series_note(&v, UINT64_MAX >> bit, &p);
	series_note(&v, 0, &p);
	cr_assert_eq(v.s.n_points, n, "late events count in the open interval");
	cr_assert_eq(v.s.points[v.s.n_points - 1].bytes_last, 3);
	cr_assert_eq(v.s.points[v.s.n_points - 1].bytes_max, 7);
	series_done(&v);
}
