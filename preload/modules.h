/* preload/modules.h - which loaded object a code address belongs to, and its entry in the shared module table.
 *
 * modules_init() runs once in the constructor and publishes what is loaded then; modules_find() publishes the
 * others when it first meets them.  Any thread, also in signal handlers and forked children; no lock, no loader
 * call but _dl_find_object() (glibc >= 2.35, lock-free).  Without that, objects loaded later stay unknown. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/abi.h"
#include "preload/cfi.h"

void modules_init(const struct abi_region *region);

/* The CFI of the object that holds `pc`.  NULL: no object does (code made at run time). */
const struct cfi_image *modules_find(uintptr_t pc);

/* After a dlclose: true if it unloaded something that was met, then a new epoch begins, and what is known is looked
 * at again before it is believed. */
bool modules_unloaded(void);

/* The dlclose epoch that stacks taken now belong to. */
uint32_t modules_epoch(void);
