/* collectord/profile/fault.h - why something failed, in one line for a person.
 *
 * Library code returns a negative errno (or -EINVAL for bad content) and, where the user can mend it, fills a
 * struct fault with what is wrong and how to mend it: no trailing newline, no program name, no leading capital.
 * Only the two mains print it.  Hostile bytes in it are escaped by fault_set() (control bytes become \xNN). */
#pragma once

#include "common/compiler.h"

struct fault {
	char text[512];
};

/* Format the reason into `f` (which may be NULL) and return `r`, so that callers write `return fault_set(...)`. */
int fault_set(struct fault *f, int r, const char *fmt, ...) PRINTF(3, 4);
