/* collectord/profile/suppressions.h - stacks that nobody wants to hear of, in the syntax of LeakSanitizer.
 *
 * A line is "leak:TEMPLATE", a comment (#) or empty.  A template matches anywhere in a function, source file or
 * module of the stack; * is any text, ^ and $ at the ends anchor it. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "collectord/profile/fault.h"

struct suppressions;

/* 0, -ENOMEM, -EINVAL with a fault that names the line, or -errno of reading `path`. */
int suppressions_read(const char *path, struct suppressions **ret, struct fault *f);

/* Is a stack, given as lines of names, suppressed?  Counts the hit, with `bytes`, for the first template that says
 * so. NULL suppresses nothing. */
int suppressions_match(struct suppressions *s, const char *lines, int64_t objects, int64_t bytes);

/* The table of those that were hit, as LeakSanitizer prints it; nothing if none was. */
void suppressions_print(const struct suppressions *s, FILE *out);
void suppressions_free(struct suppressions *s); /* takes NULL */
