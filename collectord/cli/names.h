/* collectord/cli/names.h - names for a profile's addresses, as the user wants them found: with a progress line, the
 * cache of earlier answers, and debuginfod servers if asked for. */
#pragma once

#include <stdbool.h>

#include "collectord/profile/profile.h"
#include "collectord/profile/symbolize.h"

/* Options of every command that reads symbols. */
struct names_choice {
	bool debuginfod, no_cache;
	bool not_foreign; /* profiles of other tools keep the names they have */
};

#define NAMES_DEBUGINFOD_HELP                                                                          \
	"ask the servers of $DEBUGINFOD_URLS for debug files that are not here\n(90 seconds at most; " \
	"build-ids go to them; nobody is asked otherwise)"
#define NAMES_NO_CACHE_HELP "read symbols anew: neither use nor fill ~/.cache/heaptap"

/* For the rest of this process, which is one command. */
void names_choose(const struct names_choice *choice);

/* Folder of the cache, malloc'ed; NULL: there is no place for it. */
char *names_cache_folder(void);

/* Add names to `p`; a progress line appears on a terminal when that takes long.  0 or -ENOMEM. */
int names_read(struct profile *p, struct symbolize_stats *ret);

/* The same for a profile another tool wrote, where it has no names (symbolize_foreign.h). */
int names_read_foreign(struct profile *p, struct symbolize_stats *ret);

/* What is to be said of it on stderr: modules without names, a server that could not be asked. */
void names_say(const struct symbolize_stats *stats);
