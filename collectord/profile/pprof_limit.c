/* collectord/profile/pprof_limit.c - see pprof_limit.h.
 *
 * A stack weighs as much as its shares of all sample types together.  The size is known only once it is encoded, so
 * fewer stacks are tried until it fits; merging gives each try tables without what nobody uses any more. */
#include "collectord/profile/pprof_limit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "collectord/profile/merge.h"
#include "collectord/profile/pprof.h"

struct limiter {
	struct profile *p;
	struct profile_sample *samples; /* by weight, heaviest first; malloc'ed */
	uint32_t other;                 /* the location of the rest */
};

struct weighed {
	double weight;
	size_t sample;
};

static int heaviest_first(const void *a, const void *b)
{
	const struct weighed *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static void weigh(const struct profile *p, struct weighed *w)
{
	for (size_t t = 0; t < p->n_sample_types; t++) {
		double sum = 0;

		for (size_t i = 0; i < p->n_samples; i++)
			sum += fabs((double)p->samples[i].values[t]);
		for (size_t i = 0; i < p->n_samples && sum > 0; i++)
			w[i].weight += fabs((double)p->samples[i].values[t]) / sum;
	}
}

static int sort_samples(struct limiter *l)
{
	const size_t n = l->p->n_samples;
	struct weighed *w = calloc(n + 1, sizeof(*w));

	l->samples = calloc(n + 1, sizeof(*l->samples));
	if (!w || !l->samples) {
		free(w);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		w[i].sample = i;
	weigh(l->p, w);
	qsort(w, n, sizeof(*w), heaviest_first);
	for (size_t i = 0; i < n; i++)
		l->samples[i] = l->p->samples[w[i].sample];
	free(w);
	return 0;
}

static int add_other(struct limiter *l)
{
	struct profile_line *line = profile_alloc(l->p, 1, sizeof(*line));
	const uint32_t function = profile_add_function(l->p, PPROF_LIMIT_NAME, PPROF_LIMIT_NAME, "", 0);

	l->other = profile_add_location(l->p, PROFILE_NONE, UINT64_MAX);
	if (!line || function == PROFILE_NONE || l->other == PROFILE_NONE)
		return -ENOMEM;
	line->function = function;
	l->p->locations[l->other].lines = line;
	l->p->locations[l->other].n_lines = 1;
	return 0;
}

/* All from `kept` on become equal, and merging makes one of them. */
static int merge_rest(struct limiter *l, size_t kept, struct profile **ret, struct fault *f)
{
	struct profile view = *l->p, *from[1] = { &view };

	for (size_t i = kept; i < view.n_samples; i++) {
		l->samples[i].locations = &l->other;
		l->samples[i].n_locations = 1;
		l->samples[i].n_labels = 0;
	}
	view.samples = l->samples;
	return profile_merge(from, 1, ret, f);
}

/* Bytes of the protobuf when it is unpacked: gzip's last word. */
static int unpacked_size(const struct profile *p, size_t *ret)
{
	void *buf;
	size_t n;
	int r = pprof_encode(p, &buf, &n);

	if (r == -EFBIG) {
		*ret = SIZE_MAX;
		return 0;
	}
	if (r)
		return r;
	*ret = 0;
	for (int i = 1; i <= 4; i++)
		*ret = *ret << 8 | ((const uint8_t *)buf)[n - (size_t)i];
	free(buf);
	return 0;
}

static int limit(struct limiter *l, struct profile **ret, size_t *ret_merged, struct fault *f)
{
	const size_t n = l->p->n_samples;
	size_t kept = n <= PPROF_LIMIT_SAMPLES ? n : PPROF_LIMIT_SAMPLES - 1, size;

	for (;;) {
		struct profile *q = NULL;
		int r = merge_rest(l, kept, &q, f);

		if (!r)
			r = unpacked_size(q, &size);
		if (r) {
			profile_free(q);
			return r;
		}
		if (size <= PPROF_LIMIT_BYTES || !kept) {
			*ret = q;
			*ret_merged = n - kept;
			return 0;
		}
		profile_free(q);
		kept = kept * 3 / 4;
	}
}

int pprof_limit(struct profile *p, struct profile **ret, size_t *ret_merged, struct fault *f)
{
	struct limiter l = { .p = p };
	int r = sort_samples(&l);

	if (!r)
		r = add_other(&l);
	if (!r)
		r = limit(&l, ret, ret_merged, f);
	free(l.samples);
	return r;
}
