/* collectord/live/procmem.h - what /proc says about a process's memory, for the lines of Go's runtime.MemStats.
 *
 * Reading takes the kernel a walk through all pages of the process (a second for 100 GiB) and lets the process wait
 * where it maps memory meanwhile: never on the loop's thread, and only when somebody asked.  Any thread; pure
 * reading.  What a process may not be asked is left out: smaps_rollup takes the right to trace it, status does not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectord/profile/memstats.h"

struct procmem {
	int error;                 /* 0, or -errno: all else is 0.  -ESRCH: there is no such process */
	int64_t started_ns;        /* CLOCK_REALTIME, to a tick */
	uint64_t data_space;       /* bytes of address space: writable and private, but the main stack */
	uint64_t stack_space;      /* the main stack's */
	uint64_t anonymous;        /* resident */
	uint64_t swapped;          /* anonymous */
	uint64_t max_rss;          /* the highest resident set so far */
	bool has_rollup;           /* the next two are known */
	uint64_t private_resident; /* pages that are nobody else's, of files and anonymous */
	uint64_t proportional;     /* resident pages, each divided by those who share it */
};

void procmem_read(uint32_t pid, struct procmem *ret);

/* What `m`, which memstats_of(p) filled, lacks; or why it goes on lacking it.  `pm` NULL: p's process is not at
 * hand.  One that began after the snapshot was taken is another. */
void procmem_fill(const struct procmem *pm, const struct profile *p, struct memstats *m);
