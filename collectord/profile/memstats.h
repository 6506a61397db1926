/* collectord/profile/memstats.h - the lines of Go's runtime.MemStats, with their meanings for a native program.
 *
 * Bytes and objects; 0 is "unknown" or "there is no such thing", as in Go's own text, which knows no gaps.  What
 * heaptap knows is filled by memstats_of(); what only the running process tells (/proc) is left to the caller. */
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
	uint64_t sys;       /* Sys: memory the process has of the system: its resident and swapped private pages */
	uint64_t heap_sys;  /* HeapSys: address space of [heap] and of anonymous mappings */
	uint64_t heap_idle; /* HeapIdle: of these, what no object in use accounts for */
	uint64_t heap_released; /* HeapReleased: of these, what is not backed by memory */
	uint64_t stack_inuse;   /* Stack: resident bytes of stacks */
	uint64_t stack_sys;     /* and their address space */
	uint64_t max_rss;       /* MaxRSS: the highest resident set so far */
	/* What Go's block has no line for; comments behind it. */
	uint64_t anonymous; /* resident anonymous memory of the process; 0 = unknown */
	bool is_exact;      /* the first five are counts, no estimates */
	bool has_errors;    /* the next two are known */
	double error_alloc; /* half the 95 % interval of alloc, of total_alloc */
	double error_total_alloc;
};

/* What the profile tells: the first five, from its snapshot's totals or as sums of its samples. */
void memstats_of(const struct profile *p, struct memstats *ret);

/* "# runtime.MemStats" and all its lines, in Go's order and spelling, then heaptap's own. */
void memstats_print(const struct memstats *m, FILE *out);
