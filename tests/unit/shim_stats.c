/* tests/unit/shim_stats.c - the sampler as a random process: every allocation is taken with its own probability,
 * independently of all others, whatever size, thread, process or change of T.
 *
 * Fresh randomness in each run; a failure prints the seed, HEAPTAP_SEED=… repeats it.
 * False alarms: hits among n allocations of one probability p are held against Chernoff's bound,
 * P(n KL(hits/n, p) > LIMIT) <= 2 exp(-LIMIT), rigorous for every n and p; LIMIT = 18.5 is 1.9e-8 for one check.
 * There are fewer than 50 checks: less than 1e-6 for the file.  Others state theirs. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/abi.h"
#include "common/weight.h"
#include "preload/sampler.h"

#define T (512u << 10)
#define LIMIT 18.5

static uint64_t seed_of_run;

static void setup(void)
{
	const char *given = getenv("HEAPTAP_SEED");

	if (given)
		seed_of_run = strtoull(given, NULL, 0);
	else
		cr_assert_eq(getrandom(&seed_of_run, sizeof(seed_of_run), 0), sizeof(seed_of_run));
	sampler_init(seed_of_run);
}

TestSuite(stats, .init = setup, .timeout = 120);

static double probability(uint64_t size, uint32_t rate)
{
	return -expm1(-(double)(size ? size : 1) / rate);
}

static double kl(double q, double p)
{
	double a = q > 0 ? q * log(q / p) : 0;

	return a + (q < 1 ? (1 - q) * (log1p(-q) - log1p(-p)) : 0);
}

static void expect_hits(uint64_t hits, uint64_t n, double p, const char *what, uint64_t size)
{
	double far = p >= 1 ? (hits == n ? 0 : INFINITY) : (double)n * kl((double)hits / (double)n, p);

	cr_expect_lt(far, LIMIT, "%s, size %lu: %lu of %lu hit, expected %g; HEAPTAP_SEED=%#lx", what, size, hits,
		     n, (double)n * p, seed_of_run);
}

/* One allocation as the hooks and their twins count it. */
static bool allocate(struct sampler *s, uint64_t size, uint32_t rate)
{
	uint64_t z = size ? size : 1;

	if (z <= s->left) {
		s->left -= z;
		return false;
	}
	return sampler_take(s, size, rate, 1) != 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Anderson-Darling, distribution fully known.  A^2 -> sum chi2_j / (j (j + 1)), so P(A^2 > 15) -> sqrt(3)
 * P(chi2_1 > 30) = 7.5e-8: the largest term, times the product of (1 - 2 / (j (j + 1)))^-1/2 over the others. */
Test(stats, gaps_are_exponential_by_anderson_darling)
{
	enum { N = 400000 };
	static double e[N];
	struct sampler s = { 0 };
	double a2 = 0;

	for (int i = 0; i < N; i++) {
		sampler_take(&s, 1ull << 40, T, 1);
		e[i] = ((double)(s.left + s.beyond) + 0.5) / T;
	}
	qsort(e, N, sizeof(*e), by_value);
	for (int i = 0; i < N; i++)
		a2 -= (2.0 * i + 1) / N * (log(-expm1(-e[i])) - e[N - 1 - i]);
	a2 -= N;
	cr_expect_lt(a2, 15, "A^2 = %g; HEAPTAP_SEED=%#lx", a2, seed_of_run);
}

/* Each size alone: its probability, and that the weight makes a mean of one object and Z bytes of it. */
Test(stats, weights_have_the_right_mean_for_every_size)
{
	static const uint64_t sizes[] = { 0,     1, 8,     198,     1024,    4096,     65536,
					  T - 1, T, T + 1, 1 << 20, 4 << 20, 64 << 20, 1 << 30 };

	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		uint64_t n = sizes[k] < 1024 ? 20000000 : 1000000, hits = 0;
		double p = probability(sizes[k], T);
		struct weight w = weight_of(sizes[k], T);
		struct sampler s = { 0 };

		for (uint64_t i = 0; i < n; i++)
			hits += allocate(&s, sizes[k], T);
		expect_hits(hits, n, p, "alone", sizes[k]);
		cr_expect_lt(fabs((double)w.count * p / 65536 - 1), 1e-5);
		cr_expect_lt(fabs((double)w.bytes * p / 256 - (double)sizes[k]), 1e-5 * (double)sizes[k] + 1e-9);
	}
}

/* A large block that is hit must not make its neighbours likelier, or less likely. */
Test(stats, small_blocks_beside_large_ones_keep_their_probability)
{
	enum { N = 4000000 };
	static const uint64_t pattern[] = { 24, 300 << 10, 24, 24, 2 << 20, 0, 4000 };
	uint64_t hits[ARRAY_SIZE(pattern)] = { 0 }, after_hit[2] = { 0 };
	struct sampler s = { 0 };
	bool last = false;

	for (int i = 0; i < N; i++)
		for (size_t k = 0; k < ARRAY_SIZE(pattern); k++) {
			bool hit = allocate(&s, pattern[k], 8192);

			hits[k] += hit;
			if (k == 2) { /* right behind the 300 KiB block, which is always hit, and ... */
				after_hit[0] += last;
				after_hit[1] += last && hit;
			}
			last = hit;
		}
	for (size_t k = 0; k < ARRAY_SIZE(pattern); k++)
		expect_hits(hits[k], N, probability(pattern[k], 8192), "interleaved", pattern[k]);
	expect_hits(after_hit[1], after_hit[0], probability(24, 8192), "behind a hit", 24);
}

/* --- threads ------------------------------------------------------------------------------------------------- */

enum { THREADS = 10000, PER_THREAD = 5 };
static _Atomic uint32_t hits_at[PER_THREAD];

static void *short_life(void *arg)
{
	for (int i = 0; i < PER_THREAD; i++)
		if (allocate(&sampler, T / 8, T))
			add_relaxed(&hits_at[i], 1);
	return arg;
}

/* Stacks and with them TLS addresses are recycled from thread to thread. */
Test(stats, ten_thousand_short_threads_have_no_bias)
{
	for (int i = 0; i < THREADS; i++) {
		pthread_t t;

		cr_assert_eq(pthread_create(&t, NULL, short_life, NULL), 0);
		cr_assert_eq(pthread_join(t, NULL), 0);
	}
	for (int i = 0; i < PER_THREAD; i++)
		expect_hits(load_relaxed(&hits_at[i]), THREADS, probability(T / 8, T), "n-th of a thread",
			    (uint64_t)i);
}

/* --- processes ----------------------------------------------------------------------------------------------- */

enum { WORKERS = 64, PER_WORKER = 20000, KEPT = 8 };

struct worker {
	uint32_t hits;
	uint32_t at[KEPT]; /* number of the allocation that was hit */
};

static void work(struct worker *w, uint32_t stream)
{
	for (uint32_t i = 0; i < PER_WORKER; i++) {
		if (4096 <= sampler.left) {
			sampler.left -= 4096;
			continue;
		}
		if (sampler_take(&sampler, 4096, T, stream) && w->hits++ < KEPT)
			w->at[w->hits - 1] = i;
	}
}

/* All inherit one generator and one running gap.  Beyond that common first hit no two may agree: by chance a pair
 * does in seven gaps with probability below (1/128)^7 = 2e-15, and there are 2016 pairs. */
Test(stats, forked_workers_draw_streams_of_their_own)
{
	struct worker *w =
		mmap(NULL, WORKERS * sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t hits = 0;

	sampler_take(&sampler, 1, T, 1);
	for (uint32_t i = 0; i < WORKERS; i++)
		if (fork() == 0) {
			work(&w[i], i + 2);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	for (uint32_t i = 0; i < WORKERS; i++) {
		hits += w[i].hits;
		for (uint32_t k = 0; k < i; k++) {
			int same = 0;

			for (int g = 1; g < KEPT; g++)
				same += w[i].at[g] - w[i].at[g - 1] == w[k].at[g] - w[k].at[g - 1];
			cr_expect_lt(same, KEPT - 1, "workers %u and %u repeat each other", i, k);
		}
	}
	/* The common gap is one hit more or less in each: left out on both sides. */
	cr_expect_gt(hits, WORKERS);
	expect_hits(hits - WORKERS, WORKERS * PER_WORKER - WORKERS * (uint64_t)w[0].at[0] - WORKERS,
		    probability(4096, T), "in workers", 4096);
}

/* --- T changes ----------------------------------------------------------------------------------------------- */

/* By a schedule that does not look at what is hit, each change seen at once (memalign's way) or at the end of a
 * look (malloc's way).  What an allocation is judged by is known before it: the T of the gap that runs. */
static void change_rates(bool at_once, uint32_t every)
{
	static const uint32_t rates[] = { 4096, 65536, 0, 1, 262144, 16384 };
	static const uint64_t sizes[] = { 48, 5000, 40000 };
	uint64_t n[ARRAY_SIZE(rates)][3] = { 0 }, hits[ARRAY_SIZE(rates)][3] = { 0 };
	struct sampler s = { 0 };

	for (uint32_t i = 0; i < 6000000; i++) {
		uint32_t rate = rates[i / every % ARRAY_SIZE(rates)], k = i * 7919u % 3, r = 0, due;
		bool passes = !at_once && sizes[k] <= s.left;
		uint32_t judge;

		if (at_once && !rate) /* a nap is longer than the schedule's steps */
			rate = 4096;
		judge = s.rate;

		if (!judge && !(sizes[k] <= s.left))
			judge = rate;
		due = passes ? 0 : sampler_take(&s, sizes[k], rate, 1);
		if (passes)
			s.left -= sizes[k];
		cr_assert(due == 0 || due == judge);
		if (!judge)
			continue;
		while (rates[r] != judge)
			r++;
		n[r][k]++;
		hits[r][k] += due != 0;
	}
	for (size_t r = 0; r < ARRAY_SIZE(rates); r++)
		for (size_t k = 0; rates[r] && k < 3; k++) {
			cr_expect_gt(n[r][k], 1000, "the schedule missed T = %u", rates[r]);
			expect_hits(hits[r][k], n[r][k], rates[r] == 1 ? 1 : probability(sizes[k], rates[r]),
				    "T changed", sizes[k]);
		}
}

Test(stats, changes_of_the_rate_leave_no_bias)
{
	change_rates(true, 3);
	change_rates(false, 1000);
}
