/* collectord/cli/say.h - what heaptap tells people: lines on stderr, each with the program's name in front.
 *
 * stdout belongs to reports and to the traced program.  Control bytes are escaped: names from traced programs
 * cannot move the cursor.  One thread. */
#pragma once

#include <stdio.h>

#include "collectord/profile/fault.h"
#include "common/compiler.h"

/* Exit statuses of heaptap's own. */
enum exit_status {
	EXIT_OK = 0,
	EXIT_FAULT = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_EXECUTABLE = 126, /* as shells say it */
	EXIT_NOT_FOUND = 127,
};

/* One line, without the newline. */
void say(const char *fmt, ...) PRINTF(1, 2);

/* Text from a traced program as part of a report. */
void say_put(FILE *out, const char *text);

/* Say the fault and return `status`: the usual end of a command. */
int say_fault(const struct fault *f, int status);
