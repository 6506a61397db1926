/* preload/budget.h - how much address space the shim may take without harming the program later.
 *
 * Constructor only.  What the shim maps is sparse and costs little memory, but it counts for RLIMIT_AS and
 * RLIMIT_DATA, and a program that calls mlockall() makes all of it resident, or fails under RLIMIT_MEMLOCK.  So of
 * what a limit leaves only a part is taken, and a program that is linked against mlockall() gets small tables.
 * UINT64_MAX: no limit. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* For the shared region: it is taken whole or not at all. */
uint64_t budget_shared(void);

/* For tables of our own. */
uint64_t budget_private(void);

/* Does something that is loaded at the start refer to mlockall()? */
bool budget_may_be_locked(void);
