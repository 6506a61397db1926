/* collectord/cli/pager.h - long reports on a terminal: through a pager, and in colour, as git does it. */
#pragma once

#include <stdbool.h>

enum pager_paint { PAGER_PLAIN, PAGER_RED, PAGER_GREEN, PAGER_YELLOW, PAGER_BOLD };

/* From now on standard output goes through $HEAPTAP_PAGER, $PAGER or less, if it is a terminal; "" or "cat": none.
 * Nothing may have been written yet. */
void pager_start(void);

/* The end of standard output: wait until the user has read it.  False: there is no pager. */
bool pager_end(void);

/* What starts a colour on standard output; "" where there is none: no terminal, NO_COLOR, TERM=dumb. */
const char *pager_colour(enum pager_paint paint);
