/* collectord/http/http.c - the server: its sockets, libmicrohttpd and the loop; see http.h.
 *
 * libmicrohttpd runs when its epoll descriptor says so, or when it asks to be run again. */
#include "collectord/http/http.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/http/http_impl.h"

#define POOL (4 * MAX_HEADER) /* of a connection: header, its table, the answer's header */

void http_pump(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(h->daemon);
	loop_timer_set(h->timer, MHD_get_timeout(h->daemon, &ms) == MHD_YES ? (int64_t)ms : -1);
}

static void on_epoll(void *arg, short revents)
{
	(void)revents;
	http_pump(arg);
}

static void on_timer(void *arg)
{
	http_pump(arg);
}

/* Targets are taken as they came: no two spellings of one page. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls, (void)mhd;
	return strlen(text);
}

static int start_daemon(struct http *h)
{
	const union MHD_DaemonInfo *i;

	h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
				     NULL, serve_request, h, MHD_OPTION_URI_LOG_CALLBACK, serve_request_line, h,
				     MHD_OPTION_NOTIFY_COMPLETED, serve_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
				     conn_notify, h, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, h,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL, MHD_OPTION_CONNECTION_LIMIT,
				     MAX_CONNS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!h->daemon)
		return -EIO;
	i = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	h->watch = i ? loop_watch_fd(h->loop, i->epoll_fd, POLLIN, on_epoll, h) : NULL;
	return h->watch ? 0 : -ENOMEM;
}

int http_new(struct loop *loop, struct collector *c, const struct http_config *config, struct http **ret,
	     struct fault *f)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return fault_set(f, -ENOMEM, "out of memory");
	*h = (struct http){ .loop = loop, .collector = c, .config = *config };
	LIST_INIT(&h->doors);
	TAILQ_INIT(&h->conns);
	h->timer = loop_timer_new(loop, on_timer, h);
	h->jobs = jobs_new(loop, c, config->cache);
	if (!h->timer || !h->jobs || start_daemon(h)) {
		http_free(h);
		return fault_set(f, -ENOMEM, "cannot serve HTTP: out of memory or descriptors");
	}
	*ret = h;
	return 0;
}

/* Suspended connections must not be when the daemon stops. */
static void end_all(struct http *h)
{
	struct conn *next;

	h->is_over = true;
	for (struct conn *c = TAILQ_FIRST(&h->conns); c; c = next) {
		const bool works = c->state == CONN_WORKING;

		next = TAILQ_NEXT(c, link);
		conn_drop(c);
		if (works)
			request_give_up(c->request);
	}
	MHD_run(h->daemon);
	loop_unwatch(h->watch);
	MHD_stop_daemon(h->daemon);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->daemon)
		end_all(h);
	while (!LIST_EMPTY(&h->doors)) {
		struct door *d = LIST_FIRST(&h->doors);

		LIST_REMOVE(d, link);
		door_close(d);
		free(d);
	}
	jobs_free(h->jobs);
	loop_timer_free(h->timer);
	free(h);
}

static int add_door(struct http *h, const struct door *opened, struct fault *f)
{
	struct door *d = malloc(sizeof(*d));

	if (!d)
		return fault_set(f, -ENOMEM, "out of memory");
	*d = *opened;
	d->on_client = conn_accept;
	d->arg = h;
	LIST_INSERT_HEAD(&h->doors, d, link);
	return door_watch(d, h->loop) ? fault_set(f, -ENOMEM, "out of memory") : 0;
}

int http_listen_path(struct http *h, const char *path, struct fault *f)
{
	struct door d;
	int r = door_open_path(path, &d, f);

	return r ? r : add_door(h, &d, f);
}

int http_listen_tcp(struct http *h, const char *address, struct fault *f)
{
	struct door d;
	int r = door_open_tcp(address, &d, f);

	return r ? r : add_door(h, &d, f);
}

int http_listen_fd(struct http *h, int fd, struct fault *f)
{
	struct door d;
	int r = door_take(fd, &d, f);

	return r ? r : add_door(h, &d, f);
}

void http_url(const struct http *h, char *buf, size_t size)
{
	const struct door *d;

	LIST_FOREACH(d, &h->doors, link)
	{
		const bool any = !*d->name || !strcmp(d->name, "*"), is_v6 = strchr(d->name, ':');
		const bool needs_token = h->config.token && !(h->config.trusts_user && d->is_loopback);

		if (d->is_unix)
			continue;
		snprintf(buf, size, "http://%s%s%s%s%s%s:%u", needs_token ? ":" : "",
			 needs_token ? h->config.token : "", needs_token ? "@" : "", is_v6 ? "[" : "",
			 any ? "127.0.0.1" : d->name, is_v6 ? "]" : "", d->port);
		return;
	}
	*buf = '\0';
}
