/* collectord/profile/profile.h - the one profile model that codecs, symbolizer and reports share.
 *
 * It mirrors pprof's profile.proto (reference: github.com/google/pprof proto/profile.proto): sample types, samples
 * that list locations leaf first, locations with lines innermost (inlined) first, functions, mappings, labels.
 * Values are pre-scaled, never to be unsampled by a reader.
 * One owner, one thread.  All memory lives in one arena and goes with profile_free(); strings are interned, so
 * equal strings have equal pointers.  Indices are 0-based; PROFILE_NONE means "none". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/fault.h"
#include "collectord/profile/histogram.h"

#define PROFILE_NONE UINT32_MAX

struct snapshot;

struct profile_value_type {
	const char *type, *unit; /* "inuse_space", "bytes" */
};

struct profile_mapping {
	uint64_t start, limit, offset; /* run-time range, file offset of start */
	const char *file, *build_id;   /* build_id in lower-case hex; "" if unknown */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
	uint64_t bias; /* heaptap: add to an ELF virtual address; not part of the protobuf */
};

struct profile_function {
	const char *name, *system_name; /* shown, mangled */
	const char *filename;
	int64_t start_line;
};

struct profile_line {
	uint32_t function;
	int64_t line;
};

struct profile_location {
	uint32_t mapping; /* or PROFILE_NONE */
	uint64_t address; /* inside the call instruction: return address - 1; exact frames as they are */
	uint32_t n_lines;
	struct profile_line *lines; /* innermost inlined frame first, the caller last */
	bool is_folded;
	uint64_t entry; /* heaptap: where the function that owns it begins, or 0; not part of the protobuf */
};

struct profile_label {
	const char *key;
	const char *str; /* NULL for a numeric label */
	int64_t num;
	const char *unit; /* "" if none */
};

/* What a heaptap snapshot knows of a stack beside its values, whichever moment those are of.  Weighted like them;
 * integers are in the fixed point of common/weight.h, so that merged samples add up exactly. */
struct profile_extra {
	uint64_t allocs, frees;                    /* events, unweighted: how many samples the values rest on */
	uint64_t temporary_count, temporary_bytes; /* freed by their thread before it allocated anything else */
	uint64_t in_use_count, in_use_bytes;       /* now; never below 0, like the next */
	uint64_t peak_count, peak_bytes;           /* when the process's in-use bytes were highest */
	double var_in_use_count, var_in_use_bytes;
	double var_peak_count, var_peak_bytes;
	double ages_ns;             /* sum over the objects in use of their age */
	uint64_t undated;           /* events that the histograms do not know, or not well */
	struct histogram lifetimes; /* ms, of freed objects; cells in the profile's arena, like those of the next */
	struct histogram sizes;     /* bytes */
};

struct profile_sample {
	uint32_t n_locations, n_labels;
	uint32_t *locations; /* leaf first */
	int64_t *values;     /* one per sample type */
	double *variance;    /* one per sample type, or NULL: unknown */
	struct profile_label *labels;
	struct profile_extra *extra; /* NULL: not from a snapshot */
};

/* The process a snapshot is of, for what only it can tell (JIT code).  Not part of the protobuf. */
struct profile_process {
	uint32_t pid, uid; /* pid 0: unknown */
	bool ended;        /* by the time of the profile */
};

struct profile {
	struct profile_value_type *sample_types;
	size_t n_sample_types;
	struct profile_sample *samples;
	size_t n_samples;
	struct profile_mapping *mappings; /* [0] is the main program */
	size_t n_mappings;
	struct profile_location *locations;
	size_t n_locations;
	struct profile_function *functions;
	size_t n_functions;
	const char **comments;
	size_t n_comments;
	const char *drop_frames, *keep_frames, *default_sample_type, *doc_url; /* "" if unset */
	int64_t time_nanos, duration_nanos;
	struct profile_value_type period_type;
	int64_t period;
	struct profile_process process;
	const struct snapshot
		*origin;             /* NULL, or the snapshot without its modules and stacks: totals, series, ... */
	struct profile_arena *arena; /* private to profile.c */
};

/* heaptap's own four sample types, in this order, in every profile made from a snapshot. */
enum profile_heap_type {
	PROFILE_ALLOC_OBJECTS,
	PROFILE_ALLOC_SPACE,
	PROFILE_INUSE_OBJECTS,
	PROFILE_INUSE_SPACE,
	PROFILE_HEAP_TYPES,
};

struct profile *profile_new(void); /* NULL when out of memory */
void profile_free(struct profile *p);

/* Builders: append and return the new index, or PROFILE_NONE when out of memory.  Strings are copied (interned). */
const char *profile_string(struct profile *p, const char *s);
const char *profile_string_n(struct profile *p, const char *s, size_t n);
void *profile_alloc(struct profile *p, size_t n, size_t size); /* zeroed, from the arena; NULL = ENOMEM */

/* Make room in the arena for entry `n` of the table that `table` points to.  *cap: what this gave it so far, less
 * than n if somebody else filled it.  False: out of memory, or of numbers for entries. */
bool profile_reserve(struct profile *p, void *table, size_t n, size_t *cap, size_t size);

uint32_t profile_add_sample_type(struct profile *p, const char *type, const char *unit);
uint32_t profile_add_mapping(struct profile *p, const struct profile_mapping *m);
uint32_t profile_add_function(struct profile *p, const char *name, const char *system_name, const char *filename,
			      int64_t start_line);                                     /* same four = same index */
uint32_t profile_add_location(struct profile *p, uint32_t mapping, uint64_t address);  /* same pair = same index */
uint32_t profile_add_sample(struct profile *p, const uint32_t *locations, uint32_t n); /* values zero */

/* Half the 95 % interval of an estimate with this variance: "value ± this".  Variances of samples add up. */
double profile_error_95(double variance);

/* Variance of the sum of a sample type over all samples; false if some sample's is unknown. */
bool profile_variance(const struct profile *p, size_t type, double *ret);

/* Add `e` to `sum`, an extra of a sample of `p`.  0 or -ENOMEM. */
int profile_extra_add(struct profile *p, struct profile_extra *sum, const struct profile_extra *e);

/* Mean age of what is in use, in ns; 0 if nothing is. */
double profile_extra_age(const struct profile_extra *e);

/* Which sample type a report without a choice uses: default_sample_type if it names one, else the last. */
size_t profile_default_type(const struct profile *p);

/* Index of sample type `type`, or PROFILE_NONE. */
uint32_t profile_find_type(const struct profile *p, const char *type);
