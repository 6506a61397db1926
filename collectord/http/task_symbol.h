/* collectord/http/task_symbol.h - names for addresses that a client sends, as net/http/pprof answers. */
#pragma once

#include "collectord/http/task.h"

/* "num_symbols: 1", then "0xADDRESS NAME" for each that has a name, in the order asked.  0 or -errno. */
int task_symbol(const struct task *t, const struct task_parts *parts, FILE *out, struct fault *f);
