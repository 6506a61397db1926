/* collectord/http/request.h - what a request line asks for: exact paths, a few parameters.  Pure text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum endpoint {
	ENDPOINT_NONE,      /* no such page */
	ENDPOINT_ROOT,      /* "/" */
	ENDPOINT_DIRECTORY, /* "/debug/pprof", which is at ".../" */
	ENDPOINT_INDEX,
	ENDPOINT_HEAP,
	ENDPOINT_ALLOCS,
	ENDPOINT_PEAK,
	ENDPOINT_CMDLINE,
	ENDPOINT_SYMBOL,
	ENDPOINT_HEAPTEXT, /* "/pprof/heap": for google-pprof and jeprof */
	ENDPOINT_METRICS,  /* "/metrics": for Prometheus */
	ENDPOINT_UNKNOWN,  /* another name below /debug/pprof/ */
};

/* A request target, cut at its '?'. */
struct route {
	enum endpoint endpoint;
	uint32_t pid;      /* "/pid/N" in front, or 0 */
	size_t path_len;   /* of the target */
	const char *query; /* behind the '?', or "" */
};

/* Nothing is decoded: a path with a '%' in it is none of ours. */
struct route route_of(const char *target);

/* Value of the first parameter `key` of a query; false if there is none, or an empty or too long one. */
bool query_get(const char *query, const char *key, char *buf, size_t size);

/* As Go's Atoi, and 0 for what is no number: only whether it is 0 counts. */
bool query_is_nonzero(const char *query, const char *key);
