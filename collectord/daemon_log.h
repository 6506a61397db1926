/* collectord/daemon_log.h - the daemon's log: lines on stderr, escaped, and never more of a kind than people can
 * read.
 *
 * What is left out is counted and said with the next line of that kind.  Each line begins with our name; in the
 * journal, which knows it, with a priority instead.  One thread. */
#pragma once

#include "collectord/live/collector.h"
#include "common/compiler.h"

/* One line, always: about the daemon itself.  What it does; what it does without; what it cannot do. */
void log_say(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_fail(const char *fmt, ...) PRINTF(1, 2);

/* One line about a session, if there were not too many of that kind lately.  `dir`: where snapshots go. */
void log_change(enum session_change what, const struct session_view *v, const char *dir);

/* Lines left out so far. */
uint64_t log_dropped(void);

/* One line about an error of writing, likewise. */
void log_error(const char *last, uint64_t errors);

/* One line per HTTP request, likewise. */
void log_http(const char *line);
