/* collectord/http/metrics.h - /metrics: a collector's numbers for Prometheus.
 *
 * Two spellings of the same: Prometheus' text format, and OpenMetrics for those who ask for it.  What `who` may not
 * see is in no sum.  Series are bounded: the METRICS_PROCESSES processes with most in use have their own, the rest
 * is one, pid="other".  Loop's thread; nothing is drained for it. */
#pragma once

#include <stdio.h>

#include "collectord/live/collector.h"
#include "collectord/live/viewer.h"

#define METRICS_PROCESSES 20u

enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

struct metrics_source {
	struct collector *collector;
	const struct viewer *who;
	const char *io_backend;
	uint64_t (*log_dropped)(void); /* NULL: there is no log */
};

/* By a request's Accept header, which may be NULL. */
enum metrics_format metrics_format_of(const char *accept);

/* Its Content-Type. */
const char *metrics_type(enum metrics_format format);

void metrics_write(const struct metrics_source *s, enum metrics_format format, FILE *out);

/* `text`, of any bytes, as the value of a label, without the quotes. */
void metrics_label(const char *text, FILE *out);
