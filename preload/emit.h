/* preload/emit.h - events into the shared region: a lane if one has room, else the spill counters.
 *
 * Any thread of an armed process, also in signal handlers; no system call, no wait.  A total is never lost: what
 * finds no lane is added to its stack's counters (or its process's, when even those are full; the process
 * claimed that entry when it attached). */
#pragma once

#include "preload/live.h"

/* `holder` is what attach_holder() said: not 0. */
void emit_alloc(uint32_t holder, const struct live_entry *e);
void emit_free(uint32_t holder, const struct live_entry *e);
