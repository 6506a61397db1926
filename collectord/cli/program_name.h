/* collectord/cli/program_name.h - what to call a program: by the name it was started by. */
#pragma once

#include <stddef.h>

#define PROGRAM_NAME_MAX 256

/* Of the executable `exe`, whose words (separated by blanks) are `cmdline`: the first word's base name if that is a
 * link to the same file now (redis-server, which is redis-check-rdb), else the file's own.  "?" if nothing is
 * known.  Returns buf. */
const char *program_name(const char *exe, const char *cmdline, char buf[PROGRAM_NAME_MAX]);
