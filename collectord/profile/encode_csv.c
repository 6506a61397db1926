/* collectord/profile/encode_csv.c - RFC 4180 for spreadsheets and data frames; see encode.h.
 *
 * A header, then one record per stack: values, the halves of their 95 % intervals (empty if unknown), where the
 * memory was asked for, labels, the whole stack root first.  UTF-8 without control characters, so that a record is
 * a line. */
#include "collectord/profile/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "collectord/profile/encode_frame.h"

#define END "\r\n"
#define APART ";" /* between frames, between labels; \x3b within them */

struct csv {
	const struct profile *p;
	FILE *out;
	FILE *field; /* the text of a quoted field while it is open */
	char *text;
	size_t len;
	bool failed;
};

/* False: out of memory, the field stays empty. */
static bool open_field(struct csv *c)
{
	c->field = open_memstream(&c->text, &c->len);
	c->failed |= !c->field;
	return c->field;
}

/* Write it between quotes, quotes in it doubled. */
static void close_field(struct csv *c)
{
	fputc('"', c->out);
	if (fclose(c->field))
		c->failed = true;
	else
		for (const char *t = c->text; *t; t++)
			fprintf(c->out, *t == '"' ? "\"\"" : "%c", *t);
	fputc('"', c->out);
	free(c->text);
	c->text = NULL;
}

static void put_text(struct csv *c, const char *text)
{
	if (!open_field(c))
		return;
	encode_line(text, "", c->field);
	close_field(c);
}

static void put_header(struct csv *c)
{
	static const char others[] = "function,file,line,module,labels,stack" END;

	for (size_t t = 0; t < c->p->n_sample_types; t++) {
		put_text(c, c->p->sample_types[t].type);
		fputc(',', c->out);
	}
	for (size_t t = 0; t < c->p->n_sample_types && open_field(c); t++) {
		encode_line(c->p->sample_types[t].type, "", c->field);
		fputs("_error_95", c->field);
		close_field(c);
		fputc(',', c->out);
	}
	fputs(others, c->out);
}

static void put_values(struct csv *c, const struct profile_sample *s)
{
	for (size_t t = 0; t < c->p->n_sample_types; t++)
		fprintf(c->out, "%" PRId64 ",", s->values[t]);
	for (size_t t = 0; t < c->p->n_sample_types; t++) {
		if (s->variance && isfinite(s->variance[t]))
			fprintf(c->out, "%.1f", profile_error_95(s->variance[t]));
		fputc(',', c->out);
	}
}

static void put_name(struct csv *c, const struct encode_frame *frame)
{
	char *name = encode_frame_name(frame);

	c->failed |= !name;
	encode_line(name ? name : "", APART, c->field);
	free(name);
}

static void put_leaf(struct csv *c, const struct profile_sample *s)
{
	static const struct encode_frame none = { .function = "", .file = "", .module = "" };
	const struct encode_frame frame =
		s->n_locations ? encode_frame_at(c->p, &c->p->locations[s->locations[0]], 0) : none;

	if (open_field(c)) {
		put_name(c, &frame);
		close_field(c);
	}
	fputc(',', c->out);
	put_text(c, frame.file);
	fprintf(c->out, ",%" PRId64 ",", frame.line);
	put_text(c, frame.module);
	fputc(',', c->out);
}

static void put_labels(struct csv *c, const struct profile_sample *s)
{
	if (!open_field(c))
		return;
	for (uint32_t i = 0; i < s->n_labels; i++) {
		const struct profile_label *l = &s->labels[i];

		fputs(i ? APART : "", c->field);
		encode_line(l->key, APART "=", c->field);
		fputc('=', c->field);
		if (l->str)
			encode_line(l->str, APART, c->field);
		else
			fprintf(c->field, "%" PRId64, l->num);
		if (!l->str && *l->unit) {
			fputc(' ', c->field);
			encode_line(l->unit, APART, c->field);
		}
	}
	close_field(c);
	fputc(',', c->out);
}

static void put_stack(struct csv *c, const struct profile_sample *s)
{
	const char *apart = "";

	if (!open_field(c))
		return;
	for (uint32_t i = s->n_locations; i-- > 0;) {
		const struct profile_location *l = &c->p->locations[s->locations[i]];

		for (uint32_t k = encode_frames(l); k-- > 0;) {
			const struct encode_frame frame = encode_frame_at(c->p, l, k);

			fputs(apart, c->field);
			put_name(c, &frame);
			apart = APART;
		}
	}
	close_field(c);
}

int csv_encode(const struct profile *p, FILE *out, struct fault *f)
{
	struct csv c = { .p = p, .out = out };

	(void)f; /* there is no profile it cannot say */
	put_header(&c);
	for (size_t i = 0; i < p->n_samples && !c.failed; i++) {
		put_values(&c, &p->samples[i]);
		put_leaf(&c, &p->samples[i]);
		put_labels(&c, &p->samples[i]);
		put_stack(&c, &p->samples[i]);
		fputs(END, out);
	}
	return c.failed ? -ENOMEM : 0;
}
