/* collectord/profile/report_raw.c - the `raw` and `comments` reports: the profile as it is, in text.
 *
 * Numbers of locations and mappings are their places in the profile, from 1. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collectord/profile/report_work.h"

int report_print_comments(struct report *r, FILE *out)
{
	for (size_t i = 0; i < r->p->n_comments; i++)
		fprintf(out, "%s\n", r->p->comments[i]);
	return 0;
}

/* --- times, as Go writes them ------------------------------------------------------------------------ */

/* "2023-11-14 22:13:20.5 +0000 UTC" */
static void print_time(int64_t ns, FILE *out)
{
	time_t t = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
	int64_t fraction = ns - (int64_t)t * 1000000000;
	char digits[16], date[64], zone[64];
	size_t n = 9;
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return;
	snprintf(digits, sizeof(digits), "%09d", (int)fraction);
	while (n && digits[n - 1] == '0')
		n--;
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z %Z", &tm);
	fprintf(out, "Time: %s%s%.*s %s\n", date, n ? "." : "", (int)n, digits, zone);
}

/* "1.5s", "250ms", "1h2m3s" */
static void spell_duration(int64_t ns, char buf[64])
{
	uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, scale = 1000000000, rest;
	const char *unit = "s";
	char *at = buf, fraction[24];
	int digits = 9;

	if (ns < 0)
		*at++ = '-';
	if (u < 1000000000) {
		unit = u < 1000 ? "ns" : u < 1000000 ? "µs" : "ms";
		digits = u < 1000 ? 0 : u < 1000000 ? 3 : 6;
		scale = u < 1000 ? 1 : u < 1000000 ? 1000 : 1000000;
	}
	if (u / scale >= 3600 && digits == 9)
		at += sprintf(at, "%" PRIu64 "h", u / scale / 3600);
	if (u / scale >= 60 && digits == 9)
		at += sprintf(at, "%" PRIu64 "m", u / scale / 60 % 60);
	at += sprintf(at, "%" PRIu64, digits == 9 ? u / scale % 60 : u / scale);
	rest = u % scale;
	if (rest) {
		snprintf(fraction, sizeof(fraction), "%0*" PRIu64, digits, rest);
		for (int n = digits; n > 0 && fraction[n - 1] == '0'; n--)
			fraction[n - 1] = '\0';
		at += sprintf(at, ".%s", fraction);
	}
	strcpy(at, unit);
}

/* pprof shows four characters of it. */
static void print_duration(int64_t ns, FILE *out)
{
	char text[64];
	size_t bytes = 0;

	spell_duration(ns, text);
	for (int n = 0; n < 4 && text[bytes]; n++)
		do
			bytes++;
		while (((unsigned char)text[bytes] & 0xc0) == 0x80);
	fprintf(out, "Duration: %.*s\n", (int)bytes, text);
}

/* --- samples ----------------------------------------------------------------------------------------- */

static bool any_unit(const struct profile_label *l, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (*l[i].unit)
			return true;
	return false;
}

/* "key:[value value]" for n labels of one key. */
static const char *spell_labels(struct report *r, const struct profile_label *l, uint32_t n)
{
	bool units = !l->str && any_unit(l, n);
	char *text = report_format_string(r, "%s:[", l->key);

	for (uint32_t i = 0; i < n; i++) {
		const char *space = i ? " " : "";

		if (l[i].str)
			text = report_format_string(r, "%s%s%s", text, space, l[i].str);
		else if (units)
			text = report_format_string(r, "%s%s%" PRId64 " %s", text, space, l[i].num, l[i].unit);
		else
			text = report_format_string(r, "%s%s%" PRId64, text, space, l[i].num);
	}
	return report_format_string(r, "%s]", text);
}

/* One line for labels [first, end), which are all strings or all numbers. */
static int print_label_line(struct report *r, const struct profile_label *l, uint32_t n, FILE *out)
{
	const char **keys = calloc((size_t)n + 1, sizeof(*keys));
	uint32_t n_keys = 0;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && !strcmp(l[end].key, l[i].key);)
			end++;
		keys[n_keys++] = spell_labels(r, &l[i], end - i);
	}
	qsort(keys, n_keys, sizeof(*keys), report_by_text);
	fprintf(out, "%16s", "");
	for (uint32_t i = 0; i < n_keys; i++)
		fprintf(out, "%s%s", i ? " " : "", keys[i]);
	fputc('\n', out);
	free(keys);
	return 0;
}

static int print_sample(struct report *r, const struct profile_sample *s, FILE *out)
{
	uint32_t strings = 0;
	int err = 0;

	for (size_t i = 0; i < r->p->n_sample_types; i++)
		fprintf(out, " %10" PRId64, s->values[i]);
	fputs(": ", out);
	for (uint32_t i = 0; i < s->n_locations; i++)
		fprintf(out, "%u ", s->locations[i] + 1);
	fputc('\n', out);
	while (strings < s->n_labels && s->labels[strings].str)
		strings++;
	if (strings)
		err = print_label_line(r, s->labels, strings, out);
	if (!err && strings < s->n_labels)
		err = print_label_line(r, s->labels + strings, s->n_labels - strings, out);
	return err;
}

/* --- tables ------------------------------------------------------------------------------------------ */

/* As Go writes %#x: 0x0 too. */
static void print_location(const struct profile *p, uint32_t at, FILE *out)
{
	const struct profile_location *l = &p->locations[at];

	fprintf(out, "%6u: 0x%" PRIx64 " ", at + 1, l->address);
	if (l->mapping != PROFILE_NONE)
		fprintf(out, "M=%u ", l->mapping + 1);
	if (l->is_folded)
		fputs("[F] ", out);
	if (!l->n_lines)
		fputc('\n', out);
	for (uint32_t i = 0; i < l->n_lines; i++) {
		const struct profile_function *f = &p->functions[l->lines[i].function];

		fprintf(out, "%s%s %s:%" PRId64 " s=%" PRId64, i ? "             " : "", f->name, f->filename,
			l->lines[i].line, f->start_line);
		if (strcmp(f->name, f->system_name))
			fprintf(out, "(%s)", f->system_name);
		fputc('\n', out);
	}
}

static void print_mapping(const struct profile_mapping *m, size_t at, FILE *out)
{
	fprintf(out, "%zu: 0x%" PRIx64 "/0x%" PRIx64 "/0x%" PRIx64 " %s %s %s%s%s%s\n", at + 1, m->start, m->limit,
		m->offset, m->file, m->build_id, m->has_functions ? "[FN]" : "", m->has_filenames ? "[FL]" : "",
		m->has_line_numbers ? "[LN]" : "", m->has_inline_frames ? "[IN]" : "");
}

static void print_types(const struct profile *p, FILE *out)
{
	fputs("Samples:\n", out);
	for (size_t i = 0; i < p->n_sample_types; i++) {
		const struct profile_value_type *t = &p->sample_types[i];

		fprintf(out, "%s%s/%s%s", i ? " " : "", t->type, t->unit,
			!strcmp(t->type, p->default_sample_type) ? "[dflt]" : "");
	}
	fputc('\n', out);
}

int report_print_raw(struct report *r, FILE *out)
{
	const struct profile *p = r->p;
	int err = 0;

	for (size_t i = 0; i < p->n_comments; i++)
		fprintf(out, "Comment: %s\n", p->comments[i]);
	fprintf(out, "PeriodType: %s %s\nPeriod: %" PRId64 "\n", p->period_type.type, p->period_type.unit,
		p->period);
	if (p->time_nanos)
		print_time(p->time_nanos, out);
	if (p->duration_nanos)
		print_duration(p->duration_nanos, out);
	print_types(p, out);
	for (size_t i = 0; i < p->n_samples && !err; i++)
		err = print_sample(r, &p->samples[i], out);
	fputs("Locations\n", out);
	for (uint32_t i = 0; i < p->n_locations; i++)
		print_location(p, i, out);
	fputs("Mappings\n", out);
	for (size_t i = 0; i < p->n_mappings; i++)
		print_mapping(&p->mappings[i], i, out);
	return err;
}
