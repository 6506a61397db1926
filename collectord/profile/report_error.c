/* collectord/profile/report_error.c - how sure the numbers of a table are: the 95 % interval of each row.
 *
 * A row's variance is the sum of those of the samples it counts, each once however often it recurs on the stack, as
 * stacks are sampled independently of each other.  Rows share samples, so their errors do not add up. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "collectord/profile/report_work.h"

int report_check_errors(struct report *r)
{
	double unused;

	if (r->o.kind != REPORT_TOP)
		return fault_set(r->fault, -EINVAL,
				 "-error has columns in the top report only; leave it out, or use top");
	if (r->o.mean)
		return fault_set(r->fault, -EINVAL, "-error does not know the error of a mean; leave out -mean");
	if (!profile_variance(r->p, r->type, &unused))
		return fault_set(r->fault, -EINVAL,
				 "-error: this profile does not say how sure its numbers are; use a heaptap "
				 "snapshot (*.heaptap)");
	return 0;
}

/* Add a sample's variance to the nodes it is in; `seen` holds each node's last sample + 1. */
static void spread(const struct report *r, size_t sample, uint64_t *seen, struct report_error *errors)
{
	const struct profile_sample *s = &r->p->samples[sample];
	const double variance = s->variance[r->type];

	for (uint32_t i = 0; i < s->n_locations; i++)
		for (uint32_t l = r->g->first_node[s->locations[i]]; l < r->g->first_node[s->locations[i] + 1];
		     l++) {
			const uint32_t at = r->g->line_nodes[l];

			if (!i && l == r->g->first_node[s->locations[0]])
				errors[at].flat += variance;
			if (seen[at] != sample + 1)
				errors[at].cum += variance;
			seen[at] = sample + 1;
		}
}

int report_find_errors(struct report *r, struct report_error **ret)
{
	struct report_error *errors = calloc((size_t)r->g->n_nodes + 1, sizeof(*errors));
	uint64_t *seen = calloc((size_t)r->g->n_nodes + 1, sizeof(*seen));

	if (!errors || !seen) {
		free(errors);
		free(seen);
		return -ENOMEM;
	}
	for (size_t i = 0; i < r->p->n_samples; i++)
		spread(r, i, seen, errors);
	free(seen);
	*ret = errors;
	return 0;
}

const char *report_error_text(const struct report *r, double variance, char buf[REPORT_NUMBER_MAX])
{
	const double error = profile_error_95(variance);

	return report_text(r, error < 9e18 ? llround(error) : INT64_MAX, buf);
}
