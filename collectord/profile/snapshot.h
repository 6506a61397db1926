/* collectord/profile/snapshot.h - what a .heaptap file says: one process's heap at one moment, unsymbolized.
 *
 * Self-contained: process, modules with build-ids, stacks as addresses, books, audit counters; enough to be read
 * on another day.  live/ fills the struct and encodes it; everything else decodes it.  The file is msgpack: a map
 * with string keys, first of them "heaptap" -> major version; unknown keys are skipped, a newer major is refused.
 * Format: collectord/profile/README.md.  Ownership: a decoded snapshot owns all it points to. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/fault.h"
#include "collectord/profile/histogram.h"
#include "common/abi.h"

#define SNAPSHOT_MAJOR 1
#define SNAPSHOT_MINOR 2
#define SNAPSHOT_SUFFIX ".heaptap"
#define SNAPSHOT_MAX_FILE (1ull << 30) /* bytes; larger files are refused */

enum snapshot_reason {
	SNAPSHOT_TIMER = 0,
	SNAPSHOT_SIGNAL = 1, /* SIGUSR1 */
	SNAPSHOT_PEAK = 2,
	SNAPSHOT_EXIT = 3,  /* the process ended; the books are final */
	SNAPSHOT_ASKED = 4, /* by command or URL */
};

/* Weights in the fixed point of common/weight.h; sums modulo 2^64, exact as long as they fit. */
struct snapshot_values {
	uint64_t allocs, frees;            /* events seen, unweighted */
	uint64_t alloc_count, alloc_bytes; /* << WEIGHT_COUNT_SHIFT, << WEIGHT_BYTES_SHIFT */
	uint64_t free_count, free_bytes;
	uint64_t peak_count, peak_bytes;         /* in-use of this stack when the process's in-use bytes peaked */
	double var_alloc_count, var_alloc_bytes; /* objects^2, bytes^2 */
	double var_inuse_count, var_inuse_bytes;
	double var_peak_count, var_peak_bytes; /* of peak_* */
};

/* What a stack's objects are like, since minor 1; else all 0.  Counts are in WEIGHT_COUNT units. */
struct snapshot_detail {
	uint64_t temporary_count, temporary_bytes; /* freed by their thread before it allocated anything else */
	uint64_t age_ns;                           /* mean, of the objects in use */
	uint64_t undated;                          /* events the histograms do not know, or not well: spilled */
	struct histogram lifetimes;                /* ms, of freed objects */
	struct histogram sizes;                    /* bytes; columns SIZE_ALLOCATED, SIZE_IN_USE */
};

/* What one interval of the time series saw; weights like those of struct snapshot_values, signed where in use. */
struct snapshot_point {
	uint64_t bytes_min, bytes_max, bytes_last; /* in use */
	uint64_t count_min, count_max, count_last;
	uint64_t alloc_bytes, alloc_count; /* since the start, at its end */
};

/* The process over time: intervals from start_ns on, without gaps.  After the last one nothing happened. */
struct snapshot_series {
	uint64_t start_ns, interval_ns; /* since the session began */
	struct snapshot_point *points;
	uint32_t n_points;
};

struct snapshot_module {
	struct {
		uint64_t start, end, bias;
		uint32_t epoch; /* dlclose count when first seen */
	} range;
	char *path;
	uint32_t build_id_len;
	uint8_t build_id[ABI_BUILD_ID_MAX];
};

struct snapshot_stack {
	uint32_t flags; /* ABI_STACK_*; ABI_STACK_THREAD: the last frame is the thread's id */
	uint32_t epoch;
	uint32_t n_frames;
	uint64_t *frames; /* leaf first; return addresses as found, ABI_FRAME_EXACT marks exact ones */
	struct snapshot_values values;
	struct snapshot_detail detail;
};

/* Since minor 2.  What the kernel calls a thread: any bytes of the program's choosing. */
struct snapshot_thread {
	uint32_t tid;
	char *name;
};

struct snapshot_audit {
	uint64_t samples, frees; /* what the shim counted */
	uint64_t drained;        /* events that came through lanes */
	uint64_t spilled;        /* events that came through spill counters: totals right, time lost */
	uint64_t untracked;      /* sampled allocations not recorded: live table full */
	uint64_t stack_full, truncated, module_full, spill_full;
	uint64_t corrupt; /* records the collector refused */
	/* Since minor 2, else 0.  Bytes allocated are `counted` to `counted + uncounted`: a count, no estimate; it
	 * is exact when uncounted is 0.  Requests of 0 bytes count as 1. */
	uint64_t counted, uncounted;
	uint64_t own_space; /* bytes of address space that heaptap's tables take in the process */
};

struct snapshot {
	uint32_t major, minor; /* of the file read; encode writes SNAPSHOT_* */
	/* process */
	uint32_t pid, ppid, uid;
	char *exe;       /* path; may be "" */
	char *cmdline;   /* words separated by blanks, for people */
	char *allocator; /* path of the object behind malloc; "" = libc */
	/* moment */
	uint64_t session;
	uint32_t seq;        /* 1, 2, ... within the session */
	uint32_t reason;     /* enum snapshot_reason */
	int64_t wall_ns;     /* when it was taken, CLOCK_REALTIME */
	uint64_t elapsed_ns; /* since the session began */
	int32_t exit_known;  /* 1 if the process ended and its wait status is known (private collector) */
	int32_t exit_status; /* wait status */
	/* sampling */
	uint32_t rate; /* T in bytes, now */
	/* sums over all stacks */
	struct snapshot_values total; /* total.peak_* = the process's in-use peak */
	uint64_t peak_elapsed_ns;
	struct snapshot_audit audit;
	struct snapshot_series series; /* since minor 1, else empty */
	/* tables */
	struct snapshot_module *modules;
	size_t n_modules;
	struct snapshot_thread *threads; /* those with names, if stacks are by thread */
	size_t n_threads;
	struct snapshot_stack *stacks;
	size_t n_stacks;
};

/* Encode into a fresh malloc'ed buffer.  0 or -ENOMEM. */
int snapshot_encode(const struct snapshot *s, void **ret_buf, size_t *ret_len);

/* Decode `len` bytes; every bound is checked, nothing is trusted.  0, -ENOMEM or -EINVAL with a fault that says
 * whether it is empty, truncated, not a snapshot at all, or from a newer version. */
int snapshot_decode(const void *buf, size_t len, struct snapshot **ret, struct fault *f);

/* Read a file (regular, at most SNAPSHOT_MAX_FILE) and decode it. */
int snapshot_read_file(const char *path, struct snapshot **ret, struct fault *f);

void snapshot_free(struct snapshot *s); /* takes NULL */

const char *snapshot_reason_name(uint32_t reason); /* "timer", "signal", "peak", "exit", "asked" */
