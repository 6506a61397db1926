/* collectord/cli/report_hint.h - a report shows nothing, and another would: which one, in a line on stderr. */
#pragma once

#include "collectord/cli/report_options.h"

/* `q` is what was asked of `p`, `kind` the enum report_kind that was made of it, `failed` that there was no report.
 */
void report_hint(const struct profile *p, const struct report_request *q, int kind, const struct source_peak *peak,
		 bool failed);
