/* collectord/cli/size.c - see size.h. */
#include "collectord/cli/size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/compiler.h"

/* Shift of a suffix such as "", "B", "k", "KB", "KiB"; -1 if it is none. */
static int suffix_shift(const char *s)
{
	static const char letters[] = "kmgt";
	const char *l = *s ? strchr(letters, tolower((unsigned char)*s)) : NULL;

	if (!*s || !strcasecmp(s, "b"))
		return 0;
	if (!l || (s[1] && strcasecmp(s + 1, "b") && strcasecmp(s + 1, "ib")))
		return -1;
	return 10 * (int)(l - letters + 1);
}

int size_parse(const char *text, uint64_t *ret)
{
	unsigned long long v;
	char *end;
	int shift;

	if (!isdigit((unsigned char)*text)) /* strtoull takes blanks and signs */
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 10);
	shift = suffix_shift(end);
	if (shift < 0)
		return -EINVAL;
	if (errno || v > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = (uint64_t)v << shift;
	return 0;
}

/* The unit is chosen after rounding: 1023.99 kB reads 1.0 MB. */
static const char *scaled(char buf[SIZE_TEXT_MAX], double v, double step, const char *const *units, size_t n)
{
	size_t i = 0;

	for (; i + 1 < n && fabs(v) >= step - (i ? 0.05 : 0.5); i++)
		v /= step;
	snprintf(buf, SIZE_TEXT_MAX, i && v != floor(v) ? "%.1f" : "%.0f", v);
	if (*units[i] && v != 0)
		snprintf(buf + strlen(buf), SIZE_TEXT_MAX - strlen(buf), " %s", units[i]);
	return buf;
}

const char *size_text(char buf[SIZE_TEXT_MAX], double bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };

	return scaled(buf, bytes, 1024, units, ARRAY_SIZE(units));
}

const char *count_text(char buf[SIZE_TEXT_MAX], double count)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };

	return scaled(buf, count, 1000, units, ARRAY_SIZE(units));
}

static uint64_t rounded(uint64_t ns, uint64_t unit)
{
	return ns / unit + (ns % unit >= unit / 2);
}

const char *time_text(char buf[SIZE_TEXT_MAX], uint64_t ns)
{
	uint64_t ms = rounded(ns, 1000000), tenths = rounded(ns, 100000000), s = rounded(ns, 1000000000);
	uint64_t min = rounded(ns, 60 * 1000000000ull);

	if (ms < 1000)
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 " ms", ms);
	else if (tenths < 600)
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
	else if (s < 3600)
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 " h %" PRIu64 " min", min / 60, min % 60);
	return buf;
}
