/* collectord/profile/memstats.h - the lines of Go's runtime.MemStats, with their meanings for a native program.
 *
 * Bytes and objects; 0 is "unknown" or "there is no such thing", as in Go's own text, which knows no gaps.  What
 * heaptap knows is filled by memstats_of(); what only the running process tells (/proc) by live/procmem.h.  As in
 * Go Sys is the sum of the other ...Sys, and HeapSys that of HeapIdle and HeapInuse: address space, backed by
 * memory or not. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "collectord/profile/profile.h"

struct memstats {
	uint64_t alloc;        /* Alloc, HeapAlloc, HeapInuse: requested bytes of the objects in use */
	uint64_t total_alloc;  /* TotalAlloc: requested bytes of all objects ever */
	uint64_t mallocs;      /* objects ever allocated */
	uint64_t frees;        /* objects ever freed */
	uint64_t heap_objects; /* in use */
	uint64_t sys;          /* Sys: private address space that may be written to */
	uint64_t heap_sys;     /* HeapSys: of this, all but the main stack and other_sys: the heap proper, anonymous
				  mappings (other threads' stacks too), data of program and libraries */
	uint64_t heap_idle;    /* HeapIdle: of HeapSys, what no object in use accounts for */
	uint64_t heap_released; /* HeapReleased: of HeapIdle, what is not backed by memory, nor swapped */
	uint64_t stack_inuse;   /* Stack: the main thread's, which grows as it is used */
	uint64_t stack_sys;
	uint64_t other_sys; /* OtherSys: heaptap's own tables in the process */
	uint64_t max_rss;   /* MaxRSS: the highest resident set so far */
	/* What Go's block has no line for; comments behind it. */
	uint64_t anonymous; /* anonymous memory of the process, resident or swapped; 0 = unknown */
	uint64_t swapped;   /* of it */
	bool has_resident;  /* the next two are known */
	uint64_t private_resident, proportional;
	uint64_t own_space;      /* other_sys, known also of a process that is not at hand */
	const char *why_unknown; /* the lines from sys on; NULL: they are known */
	bool is_exact;           /* the first five are counts, no estimates */
	bool is_counted;         /* total_alloc is a count: so many bytes, and at most `uncounted` more */
	uint64_t uncounted;
	bool has_errors;    /* the next two are known */
	double error_alloc; /* half the 95 % interval of alloc, of total_alloc */
	double error_total_alloc;
};

/* What the profile tells: the first five and own_space, from its snapshot or as sums of its samples.  why_unknown
 * is that there is no process to ask. */
void memstats_of(const struct profile *p, struct memstats *ret);

/* "# runtime.MemStats" and all its lines, in Go's order and spelling, then heaptap's own. */
void memstats_print(const struct memstats *m, FILE *out);
