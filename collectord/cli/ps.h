/* collectord/cli/ps.h - recorded programs as a table for people and as JSON for programs.
 *
 * Names and command lines come from the programs: control bytes are escaped in the table, what is no UTF-8 becomes
 * U+FFFD in JSON. */
#pragma once

#include <stdio.h>

#include "collectord/cli/traced.h"

/* 0 or -ENOMEM. */
int ps_print_table(const struct traced_list *t, FILE *out);
int ps_print_json(const struct traced_list *t, FILE *out);

/* "active", "dormant", "ended", "passive". */
const char *ps_state(const struct control_process *p);
