/* collectord/http/request.c - see request.h. */
#include "collectord/http/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/compiler.h"

#define PROFILES "/debug/pprof/"
#define METRICS "/metrics"

static const struct {
	const char *path;
	enum endpoint endpoint;
} endpoints[] = {
	{ "/debug/pprof", ENDPOINT_DIRECTORY },     { "/debug/pprof/", ENDPOINT_INDEX },
	{ "/debug/pprof/heap", ENDPOINT_HEAP },     { "/debug/pprof/allocs", ENDPOINT_ALLOCS },
	{ "/debug/pprof/peak", ENDPOINT_PEAK },     { "/debug/pprof/cmdline", ENDPOINT_CMDLINE },
	{ "/debug/pprof/symbol", ENDPOINT_SYMBOL }, { "/pprof/heap", ENDPOINT_HEAPTEXT },
	{ "/pprof/cmdline", ENDPOINT_CMDLINE },     { "/pprof/symbol", ENDPOINT_SYMBOL },
};

/* "/pid/N" at the beginning; the length of that, 0 if there is none. */
static size_t take_pid(const char *path, size_t len, uint32_t *ret)
{
	size_t at = strlen("/pid/");
	uint64_t pid = 0;

	if (len <= at || strncmp(path, "/pid/", at) || path[at] == '0')
		return 0;
	for (; at < len && isdigit((unsigned char)path[at]); at++) {
		pid = pid * 10 + (uint64_t)(path[at] - '0');
		if (pid > INT32_MAX)
			return 0;
	}
	if (!pid || at == len || path[at] != '/')
		return 0;
	*ret = (uint32_t)pid;
	return at;
}

static enum endpoint find(const char *path, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++)
		if (strlen(endpoints[i].path) == len && !strncmp(path, endpoints[i].path, len))
			return endpoints[i].endpoint;
	return len > strlen(PROFILES) && !strncmp(path, PROFILES, strlen(PROFILES)) ? ENDPOINT_UNKNOWN
										    : ENDPOINT_NONE;
}

struct route route_of(const char *target)
{
	struct route r = { .path_len = strcspn(target, "?") };
	size_t prefix = take_pid(target, r.path_len, &r.pid);

	r.query = target + r.path_len + (target[r.path_len] == '?');
	r.endpoint = find(target + prefix, r.path_len - prefix);
	if (!prefix && r.path_len == 1 && *target == '/')
		r.endpoint = ENDPOINT_ROOT;
	if (!prefix && r.path_len == strlen(METRICS) && !strncmp(target, METRICS, r.path_len))
		r.endpoint = ENDPOINT_METRICS;
	return r;
}

bool query_get(const char *query, const char *key, char *buf, size_t size)
{
	const size_t n = strlen(key);

	for (const char *at = query; *at; at += strcspn(at, "&"), at += *at == '&') {
		const size_t len = strcspn(at, "&");

		if (len <= n || strncmp(at, key, n) || at[n] != '=')
			continue;
		if (len - n - 1 == 0 || len - n - 1 >= size)
			return false;
		memcpy(buf, at + n + 1, len - n - 1);
		buf[len - n - 1] = '\0';
		return true;
	}
	return false;
}

bool query_is_nonzero(const char *query, const char *key)
{
	char text[32], *end;
	long long v;

	if (!query_get(query, key, text, sizeof(text)) || isspace((unsigned char)*text))
		return false;
	v = strtoll(text, &end, 10);
	return end != text && !*end && v != 0;
}
