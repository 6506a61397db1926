/* tests/unit/test_shared_error.c - the error of what came and went between two snapshots of one run.
 *
 * A program is simulated whose samples are drawn as the shim draws them; its books at two moments give the
 * difference and its variance.  Over many runs the squared error must be what the variance says.  Seeds are fixed.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "collectord/profile/shared_error.h"
#include "collectord/profile/snapshot.h"

#define RUNS 4000
#define RATE 1000.0

struct books {
	double allocated, freed; /* estimates */
	double var_allocated, var_freed;
};

static double draw(unsigned *seed)
{
	return (rand_r(seed) + 0.5) / ((double)RAND_MAX + 1);
}

/* One block of `size` bytes, in `b` if it is sampled; true if it is. */
static bool allocate(struct books *b, double size, unsigned *seed)
{
	const double p = 1 - exp(-size / RATE);
	const bool sampled = draw(seed) < p;

	if (sampled) {
		b->allocated += size / p;
		b->var_allocated += size * size * (1 - p) / (p * p);
	}
	return sampled;
}

static void release(struct books *b, double size)
{
	const double p = 1 - exp(-size / RATE);

	b->freed += size / p;
	b->var_freed += size * size * (1 - p) / (p * p);
}

static struct profile *profile_of(const struct books *b)
{
	static const char *const types[] = { "alloc_objects", "alloc_space", "inuse_objects", "inuse_space" };
	struct profile *p = profile_new();
	uint32_t at = profile_add_location(p, PROFILE_NONE, 16);
	struct profile_sample *s;

	for (size_t i = 0; i < PROFILE_HEAP_TYPES; i++)
		profile_add_sample_type(p, types[i], "x");
	profile_add_sample(p, &at, 1);
	s = p->samples;
	s->variance = profile_alloc(p, PROFILE_HEAP_TYPES, sizeof(double));
	s->values[PROFILE_ALLOC_SPACE] = llround(b->allocated);
	s->values[PROFILE_INUSE_SPACE] = llround(b->allocated - b->freed);
	s->variance[PROFILE_ALLOC_SPACE] = b->var_allocated;
	s->variance[PROFILE_INUSE_SPACE] = b->var_allocated - b->var_freed;
	return p;
}

struct scene {
	int before, between;      /* blocks allocated before the first snapshot, and after it */
	int old_freed, new_freed; /* after it: of those from before, of those from after */
};

/* Of the difference of type `type` over RUNS runs: mean squared error and mean variance, shared and added. */
struct outcome {
	double squared, shared, added;
};

static void run(const struct scene *k, int type, unsigned *seed, struct outcome *o)
{
	struct books b = { 0 };
	double truth = 0, size, live[256];
	struct profile *old = NULL, *new;
	bool sampled[256];

	for (int i = 0; i < k->before + k->between; i++) {
		if (i == k->before)
			old = profile_of(&b);
		live[i] = size = 100 + 50 * (i % 40);
		sampled[i] = allocate(&b, size, seed);
		truth += i >= k->before ? size : 0;
	}
	for (int i = 0; i < k->before + k->between; i++)
		if (i < k->old_freed || (i >= k->before && i < k->before + k->new_freed)) {
			if (sampled[i])
				release(&b, live[i]);
			truth -= type == PROFILE_INUSE_SPACE ? live[i] : 0;
		}
	new = profile_of(&b);
	size = (double)(new->samples->values[type] - old->samples->values[type]) - truth;
	o->squared += size * size / RUNS;
	o->added += (old->samples->variance[type] + new->samples->variance[type]) / RUNS;
	cr_assert_eq(profile_share_errors(old, new), 0);
	o->shared += (old->samples->variance[type] + new->samples->variance[type]) / RUNS;
	cr_assert_geq(old->samples->variance[type] + new->samples->variance[type], -1e-6);
	profile_free(old);
	profile_free(new);
}

static struct outcome many(const struct scene *k, int type)
{
	struct outcome o = { 0 };
	unsigned seed = 4711;

	for (int i = 0; i < RUNS; i++)
		run(k, type, &seed, &o);
	return o;
}

/* With 4000 runs the mean of squares is off by about 1 in 40. */
static void is_near(double a, double b)
{
	cr_assert(a > 0.85 * b && a < 1.15 * b, "%g is not near %g", a, b);
}

Test(shared_error, is_exact_where_nothing_was_freed)
{
	const struct scene grows = { .before = 200, .between = 20 };
	struct outcome o = many(&grows, PROFILE_INUSE_SPACE);

	is_near(o.shared, o.squared);
	cr_assert_gt(o.added, 5 * o.squared, "what stayed would count twice");
}

Test(shared_error, is_exact_for_what_was_allocated)
{
	const struct scene churns = { .before = 150, .between = 30, .old_freed = 70, .new_freed = 25 };
	struct outcome o = many(&churns, PROFILE_ALLOC_SPACE);

	is_near(o.shared, o.squared);
	cr_assert_gt(o.added, 5 * o.squared);
}

Test(shared_error, is_exact_where_only_old_blocks_were_freed)
{
	const struct scene shrinks = { .before = 200, .between = 20, .old_freed = 60 };
	struct outcome o = many(&shrinks, PROFILE_INUSE_SPACE);

	is_near(o.shared, o.squared);
}

Test(shared_error, is_never_too_small_and_never_more_than_the_sum)
{
	static const struct scene scenes[] = {
		{ .before = 100, .between = 100, .new_freed = 100 },
		{ .before = 100, .between = 100, .old_freed = 50, .new_freed = 50 },
		{ .before = 100, .between = 100, .old_freed = 100 },
		{ .before = 10, .between = 240, .old_freed = 5, .new_freed = 230 },
		{ .before = 200, .between = 50, .new_freed = 50 },
	};

	for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
		struct outcome o = many(&scenes[i], PROFILE_INUSE_SPACE);

		cr_assert_gt(o.shared, 0.85 * o.squared, "scene %zu: %g, in truth %g", i, o.shared, o.squared);
		cr_assert_leq(o.shared, 1.0001 * o.added, "scene %zu", i);
	}
}

Test(shared_error, other_runs_share_nothing)
{
	const struct snapshot s = { .session = 1, .pid = 7, .seq = 1, .wall_ns = 5000000000000, .elapsed_ns = 10 };
	struct snapshot other = s;
	struct profile_moment a = profile_moment_of(&s), b, none = { 0 };

	other.seq = 2;
	other.elapsed_ns += 1000000000000;
	other.wall_ns += 1000000000000;
	b = profile_moment_of(&other);
	cr_assert(profile_same_run(&a, &b));
	other.pid = 8;
	b = profile_moment_of(&other);
	cr_assert_not(profile_same_run(&a, &b));
	other.pid = 7;
	other.wall_ns += 60000000000; /* began later: numbers of another collector */
	b = profile_moment_of(&other);
	cr_assert_not(profile_same_run(&a, &b));
	cr_assert_not(profile_same_run(&none, &none));
}
