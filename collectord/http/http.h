/* collectord/http/http.h - a collector's profiles over HTTP, as Go programs serve theirs.
 *
 * On a unix socket the kernel says who asks: a user sees the own programs, root and the administrators' group all.
 * On TCP a token does, or (trusts_user) the kernel, for a connection from this machine.  Used by the daemon and by
 * `heaptap run`, with their loop; one thread.  Nothing a client does holds the loop up: requests are bounded in
 * size, time and number, profiles are made in other processes. */
#pragma once

#include "collectord/live/collector.h"

struct http;

struct http_config {
	const char *token;                        /* who knows it sees all, on TCP; NULL: nobody does */
	bool trusts_user;                         /* on TCP from this machine: our own user and root see all */
	const char *cache;                        /* folder for answers about symbols (symbol_cache.h), or NULL */
	void (*log)(const char *line, void *arg); /* one line per request; may be NULL */
	uint64_t (*log_dropped)(void);            /* lines that the log left out so far; NULL: there is no log */
	void *arg;
};

/* The loop, the collector and the config's strings must outlive it. */
int http_new(struct loop *loop, struct collector *c, const struct http_config *config, struct http **ret,
	     struct fault *f);
void http_free(struct http *h); /* takes NULL; drops what is under way */

/* Listen at a path, which is removed at the end.  0 or -errno with a fault. */
int http_listen_path(struct http *h, const char *path, struct fault *f);

/* "PORT", "HOST:PORT", "[ADDRESS]:PORT"; without a host 127.0.0.1, "*" for every address of this machine. */
int http_listen_tcp(struct http *h, const char *address, struct fault *f);

/* A listening stream socket that stays the caller's. */
int http_listen_fd(struct http *h, int fd, struct fault *f);

/* "http://127.0.0.1:6061" of the newest TCP socket, with ":TOKEN@" if who asks cannot be told otherwise. */
void http_url(const struct http *h, char *buf, size_t size);
