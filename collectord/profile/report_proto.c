/* collectord/profile/report_proto.c - what a profile is in a few lines, and a filtered profile for other tools. */
#include <stdlib.h>

#include "collectord/profile/pprof.h"
#include "collectord/profile/report_work.h"

int report_print_header(struct report *r, FILE *out)
{
	report_profile_labels(r);
	report_print_labels(r, out);
	if (!r->total && r->p->n_sample_types > 1)
		fputs("Nothing in this profile is of the sample type shown.\n"
		      "It has others: `o` lists them, sample_index=NAME chooses one.\n",
		      out);
	return 0;
}

static void divide(struct report *r, double ratio)
{
	for (size_t i = 0; i < r->p->n_samples; i++) {
		struct profile_sample *s = &r->p->samples[i];
		int64_t *values = profile_alloc(r->p, r->p->n_sample_types, sizeof(*values));

		if (!values) {
			r->failed = true;
			return;
		}
		for (size_t t = 0; t < r->p->n_sample_types; t++)
			values[t] = report_trunc((double)s->values[t] * ratio);
		s->values = values;
	}
}

int report_print_proto(struct report *r, FILE *out)
{
	double ratio = 1 / r->o.divide_by;
	void *buf = NULL;
	size_t len = 0;
	int err;

	if (ratio > 0 && ratio != 1)
		divide(r, ratio);
	err = pprof_encode(r->p, &buf, &len);
	if (err)
		return fault_set(r->fault, err, "the profile is too large for a protobuf");
	fwrite(buf, 1, len, out);
	free(buf);
	return 0;
}
