/* collectord/profile/report_proto.c - what a profile is in a few lines, and a filtered profile for other tools. */
#include <errno.h>
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

static int encode(struct report *r, const struct profile *p, FILE *out)
{
	void *buf = NULL;
	size_t len = 0;
	int err = pprof_encode(p, &buf, &len);

	if (err)
		return fault_set(r->fault, err, "the profile is too large for a protobuf");
	fwrite(buf, 1, len, out);
	free(buf);
	return 0;
}

int report_print_proto(struct report *r, FILE *out)
{
	double ratio = 1 / r->o.divide_by;

	if (ratio > 0 && ratio != 1)
		divide(r, ratio);
	return encode(r, r->p, out);
}

/* --- the rows of a report as a profile ---------------------------------------------------------------- */

/* Rows of one address are different locations, which profile_add_location() would make one: instead of its address
 * each gets its number first. */
static int add_row(struct report *r, struct profile *p, const struct graph_node *n)
{
	const struct graph_key *k = &n->key;
	struct profile_line *line = profile_alloc(p, 1, sizeof(*line));
	uint32_t function = profile_add_function(p, k->name, "", k->file, k->start_line);
	uint32_t at = (uint32_t)p->n_locations, sample;
	struct profile_location *l;
	const char *unit;

	at = profile_add_location(p, PROFILE_NONE, at);
	sample = at == PROFILE_NONE ? at : profile_add_sample(p, &at, 1);
	if (!line || function == PROFILE_NONE || sample == PROFILE_NONE)
		return -ENOMEM;
	*line = (struct profile_line){ .function = function, .line = k->line };
	l = &p->locations[at];
	l->lines = line;
	l->n_lines = 1;
	p->samples[sample].values[0] =
		report_trunc(report_scale(report_quotient(n->cum, n->cum_div), r->unit, r->out_unit, &unit));
	p->samples[sample].values[1] =
		report_trunc(report_scale(report_quotient(n->flat, n->flat_div), r->unit, r->out_unit, &unit));
	return 0;
}

static int copy_head(const struct report *r, struct profile *p)
{
	p->time_nanos = r->p->time_nanos;
	p->duration_nanos = r->p->duration_nanos;
	p->period = r->p->period;
	p->period_type = r->p->period_type;
	if (profile_add_sample_type(p, "cum", r->out_unit) == PROFILE_NONE ||
	    profile_add_sample_type(p, "flat", r->out_unit) == PROFILE_NONE)
		return -ENOMEM;
	return 0;
}

int report_print_topproto(struct report *r, FILE *out)
{
	struct profile *p = NULL;
	int err = report_trimmed_graph(r);

	if (err)
		return err;
	report_choose_unit(r);
	p = profile_new();
	err = p ? copy_head(r, p) : -ENOMEM;
	for (uint32_t i = 0; !err && i < r->g->n_order; i++)
		err = add_row(r, p, &r->g->nodes[r->g->order[i]]);
	for (uint32_t i = 0; !err && i < r->g->n_order; i++)
		p->locations[i].address = r->g->nodes[r->g->order[i]].key.address;
	if (!err)
		err = encode(r, p, out);
	profile_free(p);
	return err;
}
