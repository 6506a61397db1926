/* collectord/cli/pager.h - long reports on a terminal: through a pager, and in colour, as git does it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum pager_paint { PAGER_PLAIN, PAGER_RED, PAGER_GREEN, PAGER_YELLOW, PAGER_BOLD };

/* From now on standard output goes through $HEAPTAP_PAGER, $PAGER or less, if it is a terminal; "" or "cat": none.
 * Nothing may have been written yet. */
void pager_start(void);

/* Text of a report to standard output.  On a terminal (with a pager or not) control bytes, which a name may hold,
 * become \xNN; lines, tabs and the colours of pager_colour() stay. */
void pager_write(const char *text, size_t len);

/* The end of standard output: wait until the user has read it.  False: there is no pager. */
bool pager_end(void);

/* What starts a colour on standard output; "" where there is none: no terminal, NO_COLOR, TERM=dumb. */
const char *pager_colour(enum pager_paint paint);
