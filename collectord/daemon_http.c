/* collectord/daemon_http.c - see daemon_http.h. */
#include "collectord/daemon_http.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/daemon_log.h"
#include "collectord/http/token.h"
#include "common/handshake.h"

#define DEFAULT_SOCKET "/run/heaptap/http.sock"
#define TOKEN_NAME "http-token"

static char token[TOKEN_MAX]; /* as long as the server */

static void on_line(const char *line, void *arg)
{
	(void)arg;
	log_http(line);
}

/* "/tmp/h.sock" -> "/tmp/h-http.sock". */
static void beside(const char *socket, char *buf, size_t size)
{
	static const char suffix[] = ".sock";
	size_t n = strlen(socket), s = strlen(suffix);

	if (n > s && !strcmp(socket + n - s, suffix))
		n -= s;
	snprintf(buf, size, "%.*s-http.sock", (int)n, socket);
}

/* Where nobody chose it, the socket is a convenience: without it the daemon still records. */
static int listen_path(const struct daemon_settings *o, struct http *h)
{
	const bool is_chosen = *o->http_socket;
	char path[PATH_MAX] = DEFAULT_SOCKET;
	struct fault f;
	int r;

	if (!strcmp(o->http_socket, "none"))
		return 0;
	if (!is_chosen && strcmp(o->socket, HEAPTAP_DEFAULT_SOCKET))
		beside(o->socket, path, sizeof(path));
	r = http_listen_path(h, is_chosen ? o->http_socket : path, &f);
	if (!r) {
		log_say("HTTP on %s", is_chosen ? o->http_socket : path);
		return 0;
	}
	if (is_chosen)
		log_fail("%s", f.text);
	else
		log_warn("no HTTP: %s", f.text);
	return is_chosen ? r : 0;
}

static int listen_tcp(const struct daemon_settings *o, struct http *h)
{
	char url[512];
	struct fault f;

	if (http_listen_tcp(h, o->http, &f)) {
		log_fail("%s", f.text);
		return -EIO;
	}
	http_url(h, url, sizeof(url));
	log_say("HTTP at port %s, for who knows the token", strrchr(url, ':') + 1);
	return 0;
}

static int read_token(const struct daemon_settings *o)
{
	char beside_snapshots[sizeof(o->state) + sizeof(TOKEN_NAME) + 1];
	const char *path = *o->http_token ? o->http_token : beside_snapshots;
	struct fault f;

	snprintf(beside_snapshots, sizeof(beside_snapshots), "%s/" TOKEN_NAME, o->state);
	if (token_of_file(path, token, &f)) {
		log_fail("%s", f.text);
		return -EIO;
	}
	log_say("the token for HTTP is in %s", path);
	return 0;
}

static int take_passed(const struct systemd_sockets *passed, struct http *h)
{
	struct fault f;
	int r = 0;

	for (unsigned i = 0; i < passed->n_http && !r; i++)
		r = http_listen_fd(h, passed->http[i], &f);
	if (r)
		log_fail("%s", f.text);
	else if (passed->n_http)
		log_say("HTTP on %u socket%s of the service manager", passed->n_http,
			passed->n_http == 1 ? "" : "s");
	return r;
}

int daemon_http_start(const struct daemon_settings *o, const struct systemd_sockets *passed, struct loop *loop,
		      struct collector *c, struct http **ret)
{
	const bool is_tcp = *o->http || passed->has_tcp;
	/* Set by systemd for CacheDirectory=. */
	const struct http_config config = { .token = is_tcp ? token : NULL,
					    .cache = getenv("CACHE_DIRECTORY"),
					    .log = on_line,
					    .log_dropped = log_dropped };
	struct fault f;
	int r = is_tcp ? read_token(o) : 0;

	if (!r && http_new(loop, c, &config, ret, &f)) {
		log_fail("%s", f.text);
		r = -EIO;
	}
	if (!r)
		r = take_passed(passed, *ret);
	/* A service manager that passes the other socket but none for HTTP was told that there is to be none. */
	if (!r && ((!passed->n_http && passed->programs < 0) || *o->http_socket))
		r = listen_path(o, *ret);
	if (!r && *o->http)
		r = listen_tcp(o, *ret);
	return r;
}
