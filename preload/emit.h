/* preload/emit.h - events into the shared region: a lane if one has room, else the spill counters.
 *
 * Any thread of an armed process, also in signal handlers; no system call, and no wait unless
 * the collector was asked for it (ABI_ON_FULL_WAIT): then a bounded one, spinning.  A total is never lost: what
 * finds no lane is added to its stack's counters (or its process's, when even those are full; the process
 * claimed that entry when it attached). */
#pragma once

#include "preload/live.h"

/* `holder` is what attach_holder() said: not 0. */
void emit_alloc(uint32_t holder, const struct live_entry *e);
void emit_free(uint32_t holder, const struct live_entry *e, uint8_t flags); /* ABI_EVENT_* bits */

/* What a forked child starts with: one block, or many of one stack at T = 1. */
void emit_inherited(uint32_t holder, const struct live_entry *e);
void emit_inherited_many(uint32_t holder, uint32_t stack, uint64_t blocks, uint64_t bytes);
