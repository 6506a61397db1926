/* collectord/cli/url_text.h - URLs as words: taken apart, completed, put together again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectord/profile/fault.h"

struct url_text {
	char *ask;       /* for libcurl */
	char *show;      /* for people: without a password */
	char *socket;    /* path of a unix socket, or NULL */
	bool insecure;   /* certificates are not checked */
	bool is_local;   /* this machine: no proxy */
	int64_t seconds; /* how long the server will take to answer, as the URL says; 0: it does not */
};

/* Does it look like one: SCHEME://..., host:port, host:port/path? */
bool url_text_is(const char *word);

/* Complete `word` by pprof's rules: a scheme, a path, `seconds` (if above 0) in the query, which is sorted by key.
 * 0, -ENOMEM, or -EINVAL with a fault. */
int url_text_parse(const char *word, int64_t seconds, struct url_text *ret, struct fault *f);
void url_text_done(struct url_text *u);
