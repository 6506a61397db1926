/* collectord/cli/source_url.h - SOURCEs that are URLs: which words are, and what their servers give.
 *
 * As `go tool pprof` has it: http and https, host:port without a scheme, https+insecure; and, not pprof's,
 * unix:///PATH/OF/SOCKET:/URL/PATH.  Redirects, gzip, proxies and credentials in the URL are libcurl's.  What came
 * is kept in memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/fault.h"

#define URL_HEAP_PATH "/debug/pprof/heap" /* of a URL without a path */

struct url_options {
	int64_t seconds, timeout; /* <= 0: not given */
	const char *tls_cert, *tls_key, *tls_ca;
};

struct url_fetch {
	const char *source; /* as the user wrote it */
	char *url;          /* what is asked, without the password; malloc'ed, NULL: `source` is none */
	char *path;         /* of what came: leads to memory that lasts as long as this process; malloc'ed */
	int result;         /* 0, or -errno with `why` */
	struct fault why;
};

/* Is this a URL?  Not if a file of that name is there. */
bool url_is(const char *source);

/* Fetch those of `all` whose sources are URLs, at the same time, and say so on stderr.  Call url_done() on each. */
void url_fetch_all(struct url_fetch *all, size_t n, const struct url_options *o);
void url_done(struct url_fetch *u);

/* One URL, by itself.  *ret_path malloc'ed; 0, or -errno with a fault. */
int url_fetch_one(const char *source, const struct url_options *o, char **ret_path, struct fault *f);
