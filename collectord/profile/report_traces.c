/* collectord/profile/report_traces.c - the `traces` report (every sample), and folded stacks for flame graphs. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/encode_frame.h"
#include "collectord/profile/report_work.h"

static const char separator[] = "-----------+-------------------------------------------------------\n";

/* "       key:  value value" for the labels from `i` on that share a key; *ret_end is behind the last. */
static const char *label_line(struct report *r, const struct profile_sample *s, uint32_t i, uint32_t *ret_end)
{
	const char *key = s->labels[i].key, *values = "";
	char number[REPORT_NUMBER_MAX], *line = NULL, *kept;
	uint32_t first = i;
	size_t len;
	FILE *out;

	for (;
	     i < s->n_labels && report_same_key(&s->labels[first], &s->labels[i]) && !strcmp(key, s->labels[i].key);
	     i++) {
		const char *value = s->labels[i].str;

		if (!value) {
			report_number(number, s->labels[i].num, report_label_unit(r, key), "auto");
			value = number;
		}
		values = report_format_string(r, "%s%s%s", values, i > first ? " " : "", value);
	}
	*ret_end = i;
	out = open_memstream(&line, &len);
	if (!out) {
		r->failed = true;
		return "";
	}
	report_pad(out, 10, key);
	fprintf(out, ":  %s\n", values);
	fclose(out);
	kept = report_format_string(r, "%s", line);
	free(line);
	return kept;
}

/* Strings before numbers, each sorted as lines. */
static int print_labels_of(struct report *r, const struct profile_sample *s, FILE *out)
{
	const char **lines = calloc((size_t)s->n_labels + 1, sizeof(*lines));
	uint32_t n = 0, strings = 0;

	if (!lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_labels;) {
		if (s->labels[i].str)
			strings = n + 1;
		lines[n++] = label_line(r, s, i, &i);
	}
	qsort(lines, strings, sizeof(*lines), report_by_text);
	qsort(lines + strings, n - strings, sizeof(*lines), report_by_text);
	for (uint32_t i = 0; i < n; i++)
		fputs(lines[i], out);
	free(lines);
	return 0;
}

static void print_stack(struct report *r, const struct profile_sample *s, FILE *out)
{
	int64_t v = report_quotient(report_value(r, s), report_divisor(r, s));
	char num[REPORT_NUMBER_MAX];
	const char *text = report_text(r, v, num);

	for (uint32_t i = 0; i < s->n_locations; i++) {
		uint32_t first = r->g->first_node[s->locations[i]], end = r->g->first_node[s->locations[i] + 1];

		for (uint32_t at = first; at < end; at++) {
			report_pad(out, 10, text);
			fprintf(out, "   %s%s\n", r->g->nodes[r->g->line_nodes[at]].label,
				at + 1 < end ? " (inline)" : "");
			text = "";
		}
	}
}

int report_print_traces(struct report *r, FILE *out)
{
	int err = graph_new(r->p, &(struct graph){ 0 }, &r->g);

	if (err)
		return err;
	report_profile_labels(r);
	report_print_labels(r, out);
	for (size_t i = 0; i < r->p->n_samples && !err; i++) {
		const struct profile_sample *s = &r->p->samples[i];

		if (!s->n_locations)
			continue;
		fputs(separator, out);
		err = print_labels_of(r, s, out);
		print_stack(r, s, out);
	}
	fputs(separator, out);
	return err;
}

/* --- folded stacks ----------------------------------------------------------------------------------- */

/* Root first, then the value as a whole number; samples that weigh nothing are left out. */
int report_print_folded(struct report *r, FILE *out)
{
	int err = graph_new(r->p, &(struct graph){ 0 }, &r->g);

	for (size_t i = 0; i < r->p->n_samples && !err; i++) {
		const struct profile_sample *s = &r->p->samples[i];
		int64_t v = report_quotient(report_value(r, s), report_divisor(r, s));

		if (!s->n_locations || !v)
			continue;
		for (uint32_t k = s->n_locations; k-- > 0;) {
			uint32_t first = r->g->first_node[s->locations[k]];

			for (uint32_t at = r->g->first_node[s->locations[k] + 1]; at-- > first;) {
				encode_line(r->g->nodes[r->g->line_nodes[at]].label, ";", out);
				if (k || at > first)
					fputc(';', out);
			}
		}
		fprintf(out, " %" PRId64 "\n", v);
	}
	return err;
}
