/* collectord/cli/shell_settings.c - the shell's settings: names, values as text, both ways; see shell.h.
 *
 * Numbers and booleans are read and written as Go does it, errors included: scripts may look at them. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/shell.h"
#include "collectord/profile/utf8.h"

enum setting_kind { SET_SWITCH, SET_NUMBER, SET_REAL, SET_TEXT, SET_TYPE, SET_SORT, SET_GRANULARITY };

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset;
};

#define AT(field) offsetof(struct report_request, field)

static const struct setting settings[] = {
	{ "call_tree", SET_SWITCH, AT(report.call_tree) },
	{ "compact_labels", SET_SWITCH, AT(report.compact_labels) },
	{ "divide_by", SET_REAL, AT(report.divide_by) },
	{ "drop_negative", SET_SWITCH, AT(report.drop_negative) },
	{ "edgefraction", SET_REAL, AT(report.edge_fraction) },
	{ "focus", SET_TEXT, AT(report.focus) },
	{ "granularity", SET_GRANULARITY, AT(report.granularity) },
	{ "hide", SET_TEXT, AT(report.hide) },
	{ "ignore", SET_TEXT, AT(report.ignore) },
	{ "intel_syntax", SET_SWITCH, AT(ignored) },
	{ "mean", SET_SWITCH, AT(report.mean) },
	{ "nodecount", SET_NUMBER, AT(report.node_count) },
	{ "nodefraction", SET_REAL, AT(report.node_fraction) },
	{ "noinlines", SET_SWITCH, AT(report.noinlines) },
	{ "normalize", SET_SWITCH, AT(sources.normalize) },
	{ "output", SET_TEXT, AT(output) },
	{ "prune_from", SET_TEXT, AT(report.prune_from) },
	{ "relative_percentages", SET_SWITCH, AT(report.relative_percentages) },
	{ "sample_index", SET_TYPE, AT(report.sample_index) },
	{ "show", SET_TEXT, AT(report.show) },
	{ "show_from", SET_TEXT, AT(report.show_from) },
	{ "sort", SET_SORT, AT(report.cum) },
	{ "source_path", SET_TEXT, AT(report.source_path) },
	{ "tagfocus", SET_TEXT, AT(report.tagfocus) },
	{ "taghide", SET_TEXT, AT(report.taghide) },
	{ "tagignore", SET_TEXT, AT(report.tagignore) },
	{ "tagleaf", SET_TEXT, AT(report.tagleaf) },
	{ "tagroot", SET_TEXT, AT(report.tagroot) },
	{ "tagshow", SET_TEXT, AT(report.tagshow) },
	{ "trim", SET_SWITCH, AT(report.trim) },
	{ "trim_path", SET_TEXT, AT(report.trim_path) },
	{ "unit", SET_TEXT, AT(report.unit) },
};

static const char *const granularities[] = { "functions", "filefunctions", "files", "lines", "addresses" };
static const char *const orders[] = { "flat", "cum" };

static int find_word(const char *const *words, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], name))
			return (int)i;
	return -1;
}

static const struct setting *find_setting(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	return NULL;
}

/* "lines" belongs to "granularity", "cum" to "sort". */
static const struct setting *find_choice(const char *name)
{
	if (find_word(granularities, ARRAY_SIZE(granularities), name) >= 0)
		return find_setting("granularity");
	return find_word(orders, ARRAY_SIZE(orders), name) >= 0 ? find_setting("sort") : NULL;
}

const char *shell_setting_name(size_t n)
{
	if (n < ARRAY_SIZE(settings))
		return settings[n].name;
	n -= ARRAY_SIZE(settings);
	if (n < ARRAY_SIZE(granularities))
		return granularities[n];
	n -= ARRAY_SIZE(granularities);
	return n < ARRAY_SIZE(orders) ? orders[n] : NULL;
}

bool shell_is_setting(const char *name)
{
	return find_setting(name) || find_choice(name);
}

bool shell_is_switch(const char *name)
{
	const struct setting *o = find_setting(name);

	return o ? o->kind == SET_SWITCH : find_choice(name) != NULL;
}

/* --- setting ----------------------------------------------------------------------------------------- */

static int set_switch(const char *value, bool *ret, struct fault *f)
{
	static const char *const words[] = { "", "true", "t", "yes", "y", "1", "false", "f", "no", "n", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(words[i], value)) {
			*ret = i < 6;
			return 0;
		}
	return fault_set(f, -EINVAL, "illegal value \"%s\" for bool variable", value);
}

static int set_number(const char *value, int64_t *ret, struct fault *f)
{
	size_t sign = *value == '-' || *value == '+';
	long long v;

	if (!value[sign] || value[sign + strspn(value + sign, "0123456789")])
		return fault_set(f, -EINVAL, "strconv.Atoi: parsing \"%s\": invalid syntax", value);
	errno = 0;
	v = strtoll(value, NULL, 10);
	if (errno)
		return fault_set(f, -EINVAL, "strconv.Atoi: parsing \"%s\": value out of range", value);
	*ret = v;
	return 0;
}

static int set_real(const char *value, double *ret, struct fault *f)
{
	char *end = NULL;
	double v = 0;

	if (*value && !strchr(" \t\v\f\r\n", *value))
		v = strtod(value, &end);
	if (!end || end == value || *end || strchr(value, '('))
		return fault_set(f, -EINVAL, "strconv.ParseFloat: parsing \"%s\": invalid syntax", value);
	if (isinf(v) && !strcasestr(value, "inf"))
		return fault_set(f, -EINVAL, "strconv.ParseFloat: parsing \"%s\": value out of range", value);
	*ret = v;
	return 0;
}

static int set_text(struct shell *s, const char *value, const char **ret, struct fault *f)
{
	const char *text = profile_string(s->p, value);

	if (!text)
		return fault_set(f, -ENOMEM, "out of memory");
	*ret = text;
	return 0;
}

static int set_choice(struct shell *s, const struct setting *o, const char *value, struct fault *f)
{
	bool sorts = o->kind == SET_SORT;
	int i = sorts ? find_word(orders, ARRAY_SIZE(orders), value)
		      : find_word(granularities, ARRAY_SIZE(granularities), value);

	if (i < 0)
		return fault_set(f, -EINVAL, "invalid \"%s\" value \"%s\"", o->name, value);
	if (sorts)
		s->settings.report.cum = i == 1;
	else
		s->settings.report.granularity = i;
	return 0;
}

/* A choice by its own name.  pprof refuses it without a value, though it lists it as something to set: we do not.
 */
static int choose(struct shell *s, const char *name, const char *value, struct fault *f)
{
	static const char *const yes[] = { "", "1", "t", "T", "true", "TRUE", "True" };

	if (find_word(yes, ARRAY_SIZE(yes), value) < 0)
		return fault_set(f, -EINVAL, "unknown config field \"%s\"", name);
	return set_choice(s, find_choice(name), name, f);
}

int shell_set(struct shell *s, const char *name, const char *value, struct fault *f)
{
	const struct setting *o = find_setting(name);
	size_t type;
	void *at;

	if (!o)
		return choose(s, name, value, f);
	at = (char *)&s->settings + o->offset;
	switch (o->kind) {
	case SET_SWITCH:
		return set_switch(value, at, f);
	case SET_NUMBER:
		return set_number(value, at, f);
	case SET_REAL:
		return set_real(value, at, f);
	case SET_TYPE:
		if (report_sample_type(s->p, value, &type, f))
			return -EINVAL;
		*(const char **)at = s->p->sample_types[type].type;
		return 0;
	case SET_TEXT:
		return set_text(s, value, at, f);
	case SET_SORT:
	case SET_GRANULARITY:
		return set_choice(s, o, value, f);
	}
	return -EINVAL;
}

/* --- printing ---------------------------------------------------------------------------------------- */

#define REAL_MAX 64

/* The shortest text that reads as the same number. */
static const char *real_text(double v, char buf[REAL_MAX])
{
	int digits = 1, exponent;

	if (!isfinite(v))
		return isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf";
	do
		snprintf(buf, REAL_MAX, "%.*e", digits - 1, v);
	while (strtod(buf, NULL) != v && ++digits <= 17);
	exponent = atoi(strchr(buf, 'e') + 1);
	if (exponent >= -4 && exponent < 6)
		snprintf(buf, REAL_MAX, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, v);
	return buf;
}

static const char *value_text(const struct shell *s, const struct setting *o, char buf[REAL_MAX])
{
	const void *at = (const char *)&s->settings + o->offset;

	switch (o->kind) {
	case SET_SWITCH:
		return *(const bool *)at ? "true" : "false";
	case SET_NUMBER:
		snprintf(buf, REAL_MAX, "%" PRId64, *(const int64_t *)at);
		return buf;
	case SET_REAL:
		return real_text(*(const double *)at, buf);
	case SET_TYPE:
		if (!**(const char *const *)at)
			return s->p->sample_types[s->p->n_sample_types - 1].type;
		return *(const char *const *)at;
	case SET_TEXT:
		return **(const char *const *)at ? *(const char *const *)at : "\"\"";
	case SET_SORT:
		return orders[*(const bool *)at];
	case SET_GRANULARITY:
		return granularities[*(const int *)at];
	}
	return "";
}

static void print_remark(const struct shell *s, const struct setting *o, FILE *out)
{
	if (o->kind == SET_SORT)
		fputs("//: [cum | flat]", out);
	if (o->kind == SET_GRANULARITY)
		fputs("//: [addresses | filefunctions | files | functions | lines]", out);
	if (o->kind == SET_NUMBER && s->settings.report.node_count == -1)
		fputs("//: default", out);
	if (o->kind != SET_TYPE)
		return;
	for (size_t i = 0; i < s->p->n_sample_types; i++)
		fprintf(out, "%s%s", i ? " | " : "//: [", s->p->sample_types[i].type);
	fputc(']', out);
}

/* Characters, not bytes: columns line up in any language. */
static int width(const char *text)
{
	int n = 0;

	for (size_t left = strlen(text), len; left; left -= len, text += len, n++) {
		len = utf8_length(text, left);
		len = len ? len : 1;
	}
	return n;
}

void shell_print_settings(const struct shell *s, FILE *out)
{
	char buf[REAL_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const char *value = value_text(s, &settings[i], buf);
		int n = width(value);

		if (!strcmp(settings[i].name, "source_path"))
			continue;
		fprintf(out, "  %-25s = %s%*s ", settings[i].name, value, n < 20 ? 20 - n : 0, "");
		print_remark(s, &settings[i], out);
		fputc('\n', out);
	}
}
