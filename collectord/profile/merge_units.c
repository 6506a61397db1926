/* collectord/profile/merge_units.c - profiles that are to be put together measure the same, in the same units; and
 * what is done to values of whole profiles.  See merge.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/demangle.h"
#include "collectord/profile/merge.h"
#include "collectord/profile/prune.h"
#include "collectord/profile/report_format.h"

#define BASE_LABEL "pprof::base"

/* --- units ------------------------------------------------------------------------------------------- */

/* "objects" and "object" are one. */
static bool same_word(const char *a, const char *b)
{
	size_t m = strlen(a), n = strlen(b);

	m -= m && a[m - 1] == 's';
	n -= n && b[n - 1] == 's';
	return m == n && !memcmp(a, b, m);
}

static bool compatible(const struct profile_value_type *a, const struct profile_value_type *b)
{
	return same_word(a->type, b->type) && (!strcmp(a->unit, b->unit) || report_same_kind(a->unit, b->unit));
}

static int different(const struct profile_value_type *a, const struct profile_value_type *b, struct fault *f)
{
	return fault_set(f, -EINVAL, "incompatible types: {%s %s} {%s %s}; merge profiles that measure the same",
			 a->type, a->unit, b->type, b->unit);
}

/* The one of the two with the finer unit. */
static int finer(const struct profile_value_type *a, const struct profile_value_type *b,
		 struct profile_value_type *ret, struct fault *f)
{
	const char *unit;

	if (!compatible(a, b))
		return different(a, b, f);
	*ret = report_scale(1, b->unit, a->unit, &unit) < 1 ? *b : *a;
	return 0;
}

static int convert_type(struct profile *const *from, size_t n, size_t type, double *factors, size_t stride,
			struct fault *f)
{
	struct profile_value_type best = from[0]->sample_types[type];
	const char *unit;

	for (size_t i = 1; i < n; i++) {
		int r = finer(&best, &from[i]->sample_types[type], &best, f);

		if (r)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		struct profile_value_type *t = &from[i]->sample_types[type];
		const char *best_unit = profile_string(from[i], best.unit);

		factors[i * stride + type] = report_scale(1, t->unit, best.unit, &unit);
		if (!best_unit)
			return -ENOMEM;
		t->unit = best_unit;
	}
	return 0;
}

static int convert_period(struct profile *const *from, size_t n, struct fault *f)
{
	struct profile_value_type best = from[0]->period_type;
	const char *unit;

	for (size_t i = 1; i < n; i++) {
		int r = finer(&best, &from[i]->period_type, &best, f);

		if (r)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		struct profile *p = from[i];

		p->period = report_trunc(report_scale(p->period, p->period_type.unit, best.unit, &unit));
		p->period_type.unit = profile_string(p, best.unit);
		if (!p->period_type.unit)
			return -ENOMEM;
	}
	return 0;
}

static int check_equal(struct profile *const *from, size_t n, struct fault *f)
{
	for (size_t i = 1; i < n; i++) {
		if (strcmp(from[i]->period_type.type, from[0]->period_type.type))
			return different(&from[0]->period_type, &from[i]->period_type, f);
		for (size_t t = 0; t < from[0]->n_sample_types; t++)
			if (strcmp(from[i]->sample_types[t].type, from[0]->sample_types[t].type))
				return different(&from[0]->sample_types[t], &from[i]->sample_types[t], f);
	}
	return 0;
}

int profile_same_units(struct profile *const *from, size_t n, struct fault *f)
{
	size_t types = from[0]->n_sample_types;
	double *factors;
	int r = 0;

	if (n < 2)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (from[i]->n_sample_types != types)
			return fault_set(f, -EINVAL,
					 "inconsistent samples type count: %zu != %zu; merge profiles that "
					 "measure the same",
					 types, from[i]->n_sample_types);
	factors = calloc(n * types + 1, sizeof(*factors));
	if (!factors)
		return -ENOMEM;
	r = convert_period(from, n, f);
	for (size_t t = 0; t < types && !r; t++)
		r = convert_type(from, n, t, factors, types, f);
	for (size_t i = 0; i < n && !r; i++)
		profile_scale(from[i], factors + i * types);
	free(factors);
	return r ? r : check_equal(from, n, f);
}

/* --- heads ------------------------------------------------------------------------------------------- */

static bool has_comment(const struct profile *p, const char *comment)
{
	for (size_t i = 0; i < p->n_comments; i++)
		if (!strcmp(p->comments[i], comment))
			return true;
	return false;
}

static int merge_comments(struct profile *p, struct profile *const *from, size_t n)
{
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		room += from[i]->n_comments;
	p->comments = profile_alloc(p, room, sizeof(*p->comments));
	if (!p->comments)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < from[i]->n_comments; k++) {
			if (has_comment(p, from[i]->comments[k]))
				continue;
			p->comments[p->n_comments] = profile_string(p, from[i]->comments[k]);
			if (!p->comments[p->n_comments++])
				return -ENOMEM;
		}
	return 0;
}

int profile_merge_heads(struct profile *p, struct profile *const *from, size_t n)
{
	const char *default_type = "", *doc_url = "";

	for (size_t i = 0; i < from[0]->n_sample_types; i++)
		if (profile_add_sample_type(p, from[0]->sample_types[i].type, from[0]->sample_types[i].unit) ==
		    PROFILE_NONE)
			return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!p->time_nanos || from[i]->time_nanos < p->time_nanos)
			p->time_nanos = from[i]->time_nanos;
		p->duration_nanos = report_add(p->duration_nanos, from[i]->duration_nanos);
		if (!p->period || p->period < from[i]->period)
			p->period = from[i]->period;
		default_type = *default_type ? default_type : from[i]->default_sample_type;
		doc_url = *doc_url ? doc_url : from[i]->doc_url;
	}
	p->process = from[0]->process;
	p->drop_frames = profile_string(p, from[0]->drop_frames);
	p->keep_frames = profile_string(p, from[0]->keep_frames);
	p->default_sample_type = profile_string(p, default_type);
	p->doc_url = profile_string(p, doc_url);
	p->period_type.type = profile_string(p, from[0]->period_type.type);
	p->period_type.unit = profile_string(p, from[0]->period_type.unit);
	if (!p->drop_frames || !p->keep_frames || !p->default_sample_type || !p->doc_url || !p->period_type.type ||
	    !p->period_type.unit)
		return -ENOMEM;
	return merge_comments(p, from, n);
}

/* --- values ------------------------------------------------------------------------------------------ */

void profile_scale(struct profile *p, const double *factors)
{
	bool any = false;
	size_t n = 0;

	for (size_t t = 0; t < p->n_sample_types; t++)
		any |= factors[t] != 1;
	for (size_t i = 0; i < p->n_samples && any; i++) {
		bool keep = false;

		for (size_t t = 0; t < p->n_sample_types; t++) {
			int64_t *v = &p->samples[i].values[t];

			if (factors[t] == 1)
				continue;
			*v = report_trunc(round((double)*v * factors[t]));
			if (p->samples[i].variance)
				p->samples[i].variance[t] *= factors[t] * factors[t];
			keep |= *v != 0;
		}
		if (keep)
			p->samples[n++] = p->samples[i];
	}
	p->n_samples = any ? n : p->n_samples;
}

static void sum_values(const struct profile *p, int64_t *sums)
{
	for (size_t i = 0; i < p->n_samples; i++)
		for (size_t t = 0; t < p->n_sample_types; t++)
			sums[t] = report_add(sums[t], p->samples[i].values[t]);
}

int profile_normalize(struct profile *p, const struct profile *base, struct fault *f)
{
	size_t n = p->n_sample_types;
	int64_t *sums = calloc(2 * n + 1, sizeof(*sums));
	double *factors = calloc(n + 1, sizeof(*factors));
	int r = sums && factors ? 0 : -ENOMEM;

	for (size_t t = 0; t < n && !r; t++)
		if (base->n_sample_types != n || strcmp(p->sample_types[t].type, base->sample_types[t].type) ||
		    strcmp(p->sample_types[t].unit, base->sample_types[t].unit))
			r = fault_set(f, -EINVAL,
				      "incompatible sample types; normalize by a profile that measures the "
				      "same");
	if (!r) {
		sum_values(p, sums);
		sum_values(base, sums + n);
		for (size_t t = 0; t < n; t++)
			factors[t] = sums[t] ? (double)sums[n + t] / (double)sums[t] : 0;
		profile_scale(p, factors);
	}
	free(sums);
	free(factors);
	return r;
}

/* Give all samples the label `l`, instead of one of its kind with that key. */
static int label_all(struct profile *p, const struct profile_label *l)
{
	for (size_t i = 0; i < p->n_samples; i++) {
		struct profile_sample *s = &p->samples[i];
		struct profile_label *labels = profile_alloc(p, (size_t)s->n_labels + 1, sizeof(*labels));
		uint32_t n = 0;

		if (!labels)
			return -ENOMEM;
		for (uint32_t k = 0; k < s->n_labels; k++)
			if (!s->labels[k].str != !l->str || strcmp(s->labels[k].key, l->key))
				labels[n++] = s->labels[k];
		labels[n++] = *l;
		s->labels = labels;
		s->n_labels = n;
	}
	return 0;
}

int profile_label_all(struct profile *p, const char *key, const char *value)
{
	const struct profile_label l = { .key = profile_string(p, key),
					 .str = profile_string(p, value),
					 .unit = profile_string(p, "") };

	return l.key && l.str && l.unit ? label_all(p, &l) : -ENOMEM;
}

int profile_label_all_number(struct profile *p, const char *key, int64_t value)
{
	const struct profile_label l = { .key = profile_string(p, key),
					 .num = value,
					 .unit = profile_string(p, "") };

	return l.key && l.unit ? label_all(p, &l) : -ENOMEM;
}

int profile_label_base(struct profile *p)
{
	return profile_label_all(p, BASE_LABEL, "true");
}

/* --- names ------------------------------------------------------------------------------------------- */

/* Cut balanced open...close out of `name`; once something closes that was not opened, the rest stays. */
static void cut_balanced(char *name, char open, char close)
{
	size_t depth = 0, first = 0, at = 0;

	for (; name[at]; at++) {
		if (name[at] == open) {
			if (!depth++)
				first = at;
		} else if (name[at] == close) {
			if (!depth)
				return;
			if (!--depth) {
				memmove(name + first, name + at + 1, strlen(name + at + 1) + 1);
				at = first - 1;
			}
		}
	}
}

static bool is_linker_name(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2) || !strncmp(name, "___Z", 4) ||
	       !strncmp(name, "____Z", 5);
}

static bool looks_like_cpp(const char *name)
{
	return !strstr(name, ".<") && !strstr(name, "]).") && (strpbrk(name, "<>[]") || strstr(name, "::"));
}

static int finish_name(struct profile *p, struct profile_function *f)
{
	char *name = NULL;

	if (*f->name && f->name != f->system_name && strcmp(f->name, f->system_name))
		return 0;
	if (is_linker_name(f->system_name))
		name = demangle_name(f->system_name);
	if (!name || is_linker_name(name)) { /* nobody could read it: it stays whole */
		free(name);
		name = strdup(f->system_name);
		if (name && looks_like_cpp(name)) {
			cut_balanced(name, '(', ')');
			cut_balanced(name, '<', '>');
		}
	}
	f->name = name ? profile_string(p, name) : NULL;
	free(name);
	return f->name ? 0 : -ENOMEM;
}

int profile_finish_names(struct profile *p, bool demangle)
{
	int r = 0;

	for (size_t i = 0; demangle && i < p->n_functions && !r; i++)
		r = finish_name(p, &p->functions[i]);
	return r ? r : profile_drop_frames(p);
}
