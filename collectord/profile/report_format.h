/* collectord/profile/report_format.h - numbers as `go tool pprof` writes them: units, labels, percentages.
 *
 * Pure functions; rules: reference pprof (Go 1.19), package measurement. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define REPORT_UNIT_AUTO "minimum" /* scale to the largest unit in which the value is at least 1 */
#define REPORT_NUMBER_MAX 400      /* bytes: a double in %.2f form and a unit, with room */

/* |v| as Go computes it: the smallest integer stays what it is. */
int64_t report_abs(int64_t v);

/* Modulo 2^64: a foreign profile may hold any values.  A divisor of 0 is none. */
int64_t report_add(int64_t a, int64_t b);
int64_t report_quotient(int64_t sum, int64_t divisor);

/* Orders for qsort(): the larger magnitude first; texts that `a` and `b` point to. */
int report_by_magnitude(int64_t a, int64_t b);
int report_by_text(const void *a, const void *b);

/* `v` of unit `from` expressed in `to` (a unit's name, or REPORT_UNIT_AUTO).  *ret_unit is the unit to print; it
 * is "" where one prints none, and may be `to` itself. */
double report_scale(int64_t v, const char *from, const char *to, const char **ret_unit);

/* Do both units measure memory, or both time? */
bool report_same_kind(const char *a, const char *b);

/* "3.75MB", "12", "0". */
void report_number(char buf[REPORT_NUMBER_MAX], int64_t v, const char *from, const char *to);

/* "71.19%", "  100%", "    0%": at least six columns. */
void report_percentage(char buf[REPORT_NUMBER_MAX], int64_t v, int64_t total);

/* `s` right-aligned in `width` columns; characters are counted, not bytes. */
void report_pad(FILE *out, int width, const char *s);

/* `v` without its fraction; what does not fit is the smallest integer, as on amd64. */
int64_t report_trunc(double v);
