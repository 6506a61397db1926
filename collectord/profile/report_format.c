/* collectord/profile/report_format.c - numbers as `go tool pprof` writes them: units, labels, percentages.
 *
 * A unit belongs to a kind (memory, time, GCU); values move between the units of one kind.  A unit of no kind is
 * printed as it is, and the counting units are not printed at all. */
#include "collectord/profile/report_format.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "collectord/profile/utf8.h"
#include "common/compiler.h"

struct unit {
	const char *name;       /* as printed */
	const char *aliases[4]; /* as found in profiles: lower case, no plural s */
	double factor;          /* in base units of the kind */
};

static const struct unit memory_units[] = {
	{ "B", { "b", "byte" }, 1 },
	{ "kB", { "kb", "kbyte", "kilobyte" }, 0x1p10 },
	{ "MB", { "mb", "mbyte", "megabyte" }, 0x1p20 },
	{ "GB", { "gb", "gbyte", "gigabyte" }, 0x1p30 },
	{ "TB", { "tb", "tbyte", "terabyte" }, 0x1p40 },
	{ "PB", { "pb", "pbyte", "petabyte" }, 0x1p50 },
};

static const struct unit time_units[] = {
	{ "ns", { "ns", "nanosecond" }, 1 },       { "us", { "\xce\xbcs", "us", "microsecond" }, 1e3 },
	{ "ms", { "ms", "millisecond" }, 1e6 },    { "s", { "s", "sec", "second" }, 1e9 },
	{ "hrs", { "hour", "hr" }, 3600.0 * 1e9 },
};

static const struct unit gcu_units[] = {
	{ "n*GCU", { "nanogcu" }, 1e-9 }, { "u*GCU", { "microgcu" }, 1e-6 }, { "m*GCU", { "milligcu" }, 1e-3 },
	{ "GCU", { "gcu" }, 1 },          { "k*GCU", { "kilogcu" }, 1e3 },   { "M*GCU", { "megagcu" }, 1e6 },
	{ "G*GCU", { "gigagcu" }, 1e9 },  { "T*GCU", { "teragcu" }, 1e12 },  { "P*GCU", { "petagcu" }, 1e15 },
};

struct unit_kind {
	const struct unit *units;
	size_t n_units;
	size_t fallback; /* for values no unit suits, and for units of another kind */
};

static const struct unit_kind kinds[] = {
	{ memory_units, ARRAY_SIZE(memory_units), 0 },
	{ time_units, ARRAY_SIZE(time_units), 3 },
	{ gcu_units, ARRAY_SIZE(gcu_units), 3 },
};

int64_t report_abs(int64_t v)
{
	return v < 0 ? (int64_t)(0 - (uint64_t)v) : v;
}

int64_t report_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

int64_t report_quotient(int64_t sum, int64_t divisor)
{
	return !divisor ? sum : divisor == -1 ? (int64_t)(0 - (uint64_t)sum) : sum / divisor;
}

int report_by_magnitude(int64_t a, int64_t b)
{
	a = report_abs(a);
	b = report_abs(b);
	return a > b ? -1 : a < b;
}

int report_by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int64_t report_trunc(double v)
{
	return v >= (double)INT64_MIN && v < -(double)INT64_MIN ? (int64_t)v : INT64_MIN;
}

static const struct unit *kind_find(const struct unit_kind *k, const char *name)
{
	char low[16];
	size_t n = strlen(name);

	if (n >= sizeof(low))
		return NULL;
	for (size_t i = 0; i <= n; i++)
		low[i] = (char)tolower((unsigned char)name[i]);
	if (n > 2 && low[n - 1] == 's')
		low[n - 1] = '\0';
	for (size_t i = 0; i < k->n_units; i++)
		for (size_t j = 0; j < ARRAY_SIZE(k->units[i].aliases) && k->units[i].aliases[j]; j++)
			if (!strcmp(low, k->units[i].aliases[j]))
				return &k->units[i];
	return NULL;
}

/* The largest unit in which `base` is at least 1. */
static const struct unit *kind_fit(const struct unit_kind *k, double base)
{
	const struct unit *best = NULL;

	for (size_t i = 0; i < k->n_units; i++)
		if (base / k->units[i].factor >= 1.0)
			best = &k->units[i];
	return best ? best : &k->units[k->fallback];
}

static bool is_auto(const char *to)
{
	return !strcmp(to, REPORT_UNIT_AUTO) || !strcmp(to, "auto");
}

static bool is_counting(const char *to)
{
	return is_auto(to) || !strcmp(to, "count") || !strcmp(to, "sample") || !strcmp(to, "unit");
}

bool report_same_kind(const char *a, const char *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kind_find(&kinds[i], a) && kind_find(&kinds[i], b))
			return true;
	return false;
}

double report_scale(int64_t v, const char *from, const char *to, const char **ret_unit)
{
	if (v < 0 && v != INT64_MIN)
		return -report_scale(-v, from, to, ret_unit);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct unit *f = kind_find(&kinds[i], from), *t;

		if (!f)
			continue;
		t = is_auto(to) ? kind_fit(&kinds[i], (double)v * f->factor) : kind_find(&kinds[i], to);
		if (!t)
			t = &kinds[i].units[kinds[i].fallback];
		*ret_unit = t->name;
		return (double)v * f->factor / t->factor;
	}
	*ret_unit = is_counting(to) ? "" : to;
	return (double)v;
}

void report_number(char buf[REPORT_NUMBER_MAX], int64_t v, const char *from, const char *to)
{
	const char *unit;
	int n = snprintf(buf, REPORT_NUMBER_MAX, "%.2f", report_scale(v, from, to, &unit));

	if (n > 3 && !strcmp(buf + n - 3, ".00"))
		buf[n -= 3] = '\0';
	if (!strcmp(buf, "0") || !strcmp(buf, "-0"))
		strcpy(buf, "0");
	else
		snprintf(buf + n, REPORT_NUMBER_MAX - (size_t)n, "%s", unit);
}

void report_percentage(char buf[REPORT_NUMBER_MAX], int64_t v, int64_t total)
{
	double r = total ? fabs((double)v / (double)total) * 100 : 0;

	if (r >= 99.95 && r <= 100.05)
		snprintf(buf, REPORT_NUMBER_MAX, "  100%%");
	else
		snprintf(buf, REPORT_NUMBER_MAX, r >= 1.0 ? "%5.2f%%" : "%5.2g%%", r);
}

void report_pad(FILE *out, int width, const char *s)
{
	const char *s_at = s;

	for (size_t n = strlen(s), len; n; s_at += len, n -= len, width--) {
		len = utf8_length(s_at, n);
		len = len ? len : 1;
	}
	fprintf(out, "%*s%s", width > 0 ? width : 0, "", s);
}
