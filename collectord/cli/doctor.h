/* collectord/cli/doctor.h - what `heaptap doctor` looks at, and what it found.
 *
 * A check never changes anything and never waits for long.  Each finding is one line: what is, and where that is
 * not right what to do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/compiler.h"

enum verdict {
	DOCTOR_OK,
	DOCTOR_WARN, /* heaptap works, with less */
	DOCTOR_FAIL, /* something does not work */
};

struct finding {
	enum verdict verdict;
	const char *name;
	char text[600];
	const char *advice; /* "" if all is well */
};

struct doctor {
	const char *socket; /* asked for, or NULL: the usual ones */
	struct finding list[32];
	size_t n;
};

/* One more finding; `advice` is a literal. */
void doctor_find(struct doctor *d, enum verdict v, const char *name, const char *advice, const char *fmt, ...)
	PRINTF(5, 6);

void doctor_system(struct doctor *d); /* doctor_system.c: the kernel and what surrounds us */
void doctor_collector(
	struct doctor *d);             /* doctor_collector.c: the system's collector, our place for a private one */
void doctor_library(struct doctor *d); /* doctor_library.c: libheaptap.so */

/* doctor_target.c: `what` is a pid or a program. */
void doctor_target(struct doctor *d, const char *what);
