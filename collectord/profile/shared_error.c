/* collectord/profile/shared_error.c - see shared_error.h.
 *
 * Per stack, with V the variance of what is in use (or was allocated so far) and F what was freed between both:
 *
 *   allocated:  all of the old is in the new, so the difference has V_new - V_old.
 *   in use:     V_old is that of what stayed (S) and of what was freed since, which is at most F; so S >= V_old -
 * F, and the difference has V_new + V_old - 2 S.  Exact where nothing was freed, or nothing of before; the books do
 *               not know whether what was freed had been allocated before or after the old snapshot, so where much
 *               comes and goes this is an upper bound, and no more than the sum. */
#include "collectord/profile/shared_error.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/snapshot.h"

#define CLOCK_STEP_NS 2000000000ll /* what the wall clock may have been set by, in a run */

struct profile_moment profile_moment_of(const struct snapshot *s)
{
	return (struct profile_moment){ .session = s->session,
					.elapsed_ns = s->elapsed_ns,
					.pid = s->pid,
					.seq = s->seq,
					.began_ns = s->wall_ns - (int64_t)s->elapsed_ns };
}

bool profile_same_run(const struct profile_moment *a, const struct profile_moment *b)
{
	return a->seq && b->seq && a->pid == b->pid && a->session == b->session &&
	       llabs(a->began_ns - b->began_ns) <= CLOCK_STEP_NS;
}

/* --- the same stack in the other profile --------------------------------------------------------------------- */

struct pair {
	const struct profile *old, *new;
	const struct profile_sample *sample; /* of old */
};

static uint64_t hash_sample(const struct profile *p, const struct profile_sample *s)
{
	uint64_t h = s->n_locations;

	for (uint32_t i = 0; i < s->n_locations; i++)
		h = hash_word(h, p->locations[s->locations[i]].address);
	for (uint32_t i = 0; i < s->n_labels; i++)
		h = hash_word(h, (uint64_t)s->labels[i].num);
	return h;
}

static bool same_labels(const struct profile_sample *a, const struct profile_sample *b)
{
	bool same = a->n_labels == b->n_labels;

	for (uint32_t i = 0; same && i < a->n_labels; i++)
		same = !strcmp(a->labels[i].key, b->labels[i].key) && a->labels[i].num == b->labels[i].num &&
		       !a->labels[i].str == !b->labels[i].str;
	return same;
}

/* One run's modules are mapped where they are: addresses tell, and where a range was used again, its file. */
static bool same_place(const struct pair *k, uint32_t old, uint32_t new)
{
	const struct profile_location *a = &k->old->locations[old], *b = &k->new->locations[new];

	if (a->address != b->address || (a->mapping == PROFILE_NONE) != (b->mapping == PROFILE_NONE))
		return false;
	return a->mapping == PROFILE_NONE ||
	       !strcmp(k->old->mappings[a->mapping].file, k->new->mappings[b->mapping].file);
}

static bool same_sample(const void *ctx, uint32_t entry)
{
	const struct pair *k = ctx;
	const struct profile_sample *a = k->sample, *b = &k->new->samples[entry];

	if (a->n_locations != b->n_locations || !same_labels(a, b))
		return false;
	for (uint32_t i = 0; i < a->n_locations; i++)
		if (!same_place(k, a->locations[i], b->locations[i]))
			return false;
	return true;
}

/* --- variances ----------------------------------------------------------------------------------------------- */

/* What to add to `new` for the variance of the difference. */
static double of_allocated(double old, double new)
{
	return new >= old ? -old : -new;
}

static double of_in_use(double old, double new, double freed)
{
	const double stayed = old > freed ? old - freed : 0, both = stayed < new ? stayed : new;

	return old - 2 * both;
}

static void share(struct profile_sample *old, const struct profile_sample *new)
{
	static const struct {
		int allocated, in_use;
	} kinds[] = { { PROFILE_ALLOC_OBJECTS, PROFILE_INUSE_OBJECTS },
		      { PROFILE_ALLOC_SPACE, PROFILE_INUSE_SPACE } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const int a = kinds[i].allocated, u = kinds[i].in_use;
		double *o = old->variance;
		const double *n = new->variance;
		/* What was freed so far is what was allocated and is not in use; inherited blocks cancel out. */
		const double freed = (n[a] - n[u]) - (o[a] - o[u]);

		o[u] = of_in_use(o[u], n[u], freed > 0 ? freed : 0);
		o[a] = of_allocated(o[a], n[a]);
	}
}

static bool has_variances(const struct profile *p)
{
	for (size_t i = 0; i < p->n_samples; i++)
		if (!p->samples[i].variance)
			return false;
	return p->n_sample_types == PROFILE_HEAP_TYPES;
}

int profile_share_errors(struct profile *old, const struct profile *new)
{
	struct pair k = { .old = old, .new = new };
	struct index index = { 0 };
	int r = 0;

	if (!has_variances(old) || !has_variances(new))
		return 0;
	for (size_t i = 0; !r && i < new->n_samples; i++)
		if (!index_add(&index, hash_sample(new, &new->samples[i]), (uint32_t)i))
			r = -ENOMEM;
	for (size_t i = 0; !r && i < old->n_samples; i++) {
		uint32_t at;

		k.sample = &old->samples[i];
		at = index_find(&index, hash_sample(old, k.sample), same_sample, &k);
		if (at != ARENA_NONE)
			share(&old->samples[i], &new->samples[at]);
	}
	index_done(&index);
	return r;
}
