/* collectord/http/conn.c - connections: accepted, counted and timed by us, their heads looked at, then handed to
 * libmicrohttpd; see http_impl.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/http/head.h"
#include "collectord/http/http_impl.h"
#include "collectord/http/reply.h"

#define MAX_CONNS_PER_USER 64u /* on unix sockets */
#define MAX_CONNS_TCP 160u
#define READ_MS 5000            /* for a whole request */
#define SEND_MS 600000          /* for the client to take a whole answer */
#define UID_TCP UINT32_MAX      /* stands for all TCP clients */
#define MAX_WAIT_MS 50          /* between looks for the rest of a head */
#define MAX_HELD (256ull << 20) /* bytes of answers that one user's clients have not taken yet */

static void conn_free(struct conn *c)
{
	TAILQ_REMOVE(&c->http->conns, c, link);
	loop_unwatch(c->watch);
	loop_timer_free(c->again);
	loop_timer_free(c->deadline);
	free(c);
}

/* What the client sent and nobody read would make the kernel take our last words back (TCP's reset). */
static void close_read_out(int sock)
{
	char rest[4096];

	for (int i = 0; i < 64 && recv(sock, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
		;
	close(sock);
}

/* libmicrohttpd finds it closed, and closes it; before it has it, we do. */
void conn_drop(struct conn *c)
{
	shutdown(c->fd, SHUT_RDWR);
	if (c->is_handed_over)
		return;
	close_read_out(c->fd);
	conn_free(c);
}

/* Without libmicrohttpd.  A client that does not take it is owed nothing. */
static void refuse(struct conn *c, const char *status, const char *why)
{
	char text[512];
	const int n = snprintf(text, sizeof(text),
			       "HTTP/1.1 %s\r\nContent-Type: " REPLY_TEXT "\r\nX-Content-Type-Options: nosniff\r\n"
			       "X-Go-Pprof: 1\r\nConnection: close\r\n\r\n%s\n",
			       status, why);

	send(c->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	conn_drop(c);
}

static void conn_time_out(struct conn *c)
{
	if (c->state == CONN_READING)
		refuse(c, "408 Request Timeout", "408 Request Timeout");
	else
		conn_drop(c);
}

static void conn_look(void *arg);

static void on_deadline(void *arg)
{
	conn_time_out(arg);
}

void conn_set_state(struct conn *c, enum conn_state state)
{
	c->state = state;
	loop_timer_set(c->deadline, state == CONN_READING ? READ_MS : state == CONN_SENDING ? SEND_MS : -1);
}

/* Of this user's (TCP is one): how many, and the oldest that has not said yet what it wants. */
static unsigned count(const struct http *h, uint32_t uid, struct conn **ret_oldest)
{
	struct conn *c;
	unsigned n = 0;

	*ret_oldest = NULL;
	TAILQ_FOREACH(c, &h->conns, link)
	{
		bool same = uid == UID_TCP ? !c->door->is_unix : c->door->is_unix && c->who.uid == uid;

		n += same;
		if (same && !*ret_oldest && c->state == CONN_READING)
			*ret_oldest = c;
	}
	return n;
}

/* Whoever dawdles makes room. */
static bool has_room(struct http *h, const struct conn *newcomer)
{
	const uint32_t uid = newcomer->door->is_unix ? newcomer->who.uid : UID_TCP;
	const unsigned max = newcomer->door->is_unix ? MAX_CONNS_PER_USER : MAX_CONNS_TCP;
	struct conn *oldest;

	if (count(h, uid, &oldest) < max)
		return true;
	if (!oldest)
		return false;
	oldest->state = CONN_SENDING;
	conn_drop(oldest);
	return true;
}

/* Answers lie in our memory until they are taken, which may last: who lets them lie gets no more. */
bool conn_may_hold(const struct conn *c, size_t len)
{
	const struct conn *other;
	uint64_t held = 0;

	TAILQ_FOREACH(other, &c->http->conns, link)
	{
		if (other != c && other->door->is_unix == c->door->is_unix && other->who.uid == c->who.uid)
			held += other->held;
	}
	return !held || held + len <= MAX_HELD;
}

static bool is_full(const struct http *h)
{
	const struct conn *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &h->conns, link)
	{
		n++;
	}
	return n >= MAX_CONNS; /* dropped ones are there until libmicrohttpd has closed them */
}

static struct conn *conn_new(struct http *h, const struct door *d, int sock)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct conn){ .http = h, .door = d, .fd = sock };
	c->deadline = loop_timer_new(h->loop, on_deadline, c);
	c->again = loop_timer_new(h->loop, conn_look, c);
	if (!c->deadline || !c->again || is_full(h) ||
	    (d->is_unix && viewer_of(sock, collector_admin_gid(h->collector), &c->who)) || !has_room(h, c)) {
		loop_timer_free(c->again);
		loop_timer_free(c->deadline);
		free(c);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&h->conns, c, link);
	conn_set_state(c, CONN_READING);
	return c;
}

static bool is_listed(const struct http *h, const struct conn *wanted)
{
	const struct conn *c;

	TAILQ_FOREACH(c, &h->conns, link)
	{
		if (c == wanted)
			return true;
	}
	return false;
}

static void hand_over(struct conn *c)
{
	struct http *h = c->http;
	const int sock = c->fd;
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} peer = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);

	loop_unwatch(c->watch);
	c->watch = NULL;
	c->is_handed_over = true;
	getpeername(sock, &peer.any, &len);
	/* Closes the socket if it fails; whether we are told then depends on how far it came. */
	if (MHD_add_connection(h->daemon, sock, &peer.any, len) != MHD_YES && is_listed(h, c) && !c->mhd)
		conn_free(c);
	http_pump(h);
}

static void on_readable(void *arg, short revents)
{
	(void)revents;
	conn_look(arg);
}

/* Part of a head stays in the socket, which so remains readable: the rest is looked for by the clock. */
static void wait_for_more(struct conn *c, bool has_part)
{
	if (has_part) {
		loop_unwatch(c->watch);
		c->watch = NULL;
		c->wait_ms = c->wait_ms < MAX_WAIT_MS ? c->wait_ms + 1 : MAX_WAIT_MS;
		loop_timer_set(c->again, c->wait_ms);
		return;
	}
	if (!c->watch)
		c->watch = loop_watch_fd(c->http->loop, c->fd, POLLIN, on_readable, c);
	if (!c->watch)
		conn_drop(c);
}

static bool sends_no_more(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1;
}

/* Looked at where it lies, so that libmicrohttpd reads the very same bytes. */
static void conn_look(void *arg)
{
	struct conn *c = arg;
	char text[MAX_HEADER];
	const bool is_over = sends_no_more(c); /* before we look: all it sent is there */
	const ssize_t n = recv(c->fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT);
	const char *why = NULL;
	const enum head what = n > 0 ? head_check(text, (size_t)n, &why) : HEAD_PART;

	if (what == HEAD_WHOLE)
		hand_over(c);
	else if (what == HEAD_BAD)
		refuse(c, "400 Bad Request", why);
	else if (n == (ssize_t)sizeof(text))
		refuse(c, "431 Request Header Fields Too Large", "more than 8192 bytes of header");
	else if (n == 0 || is_over || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_drop(c);
	else
		wait_for_more(c, n > 0);
}

void conn_accept(void *arg, const struct door *d, int sock)
{
	struct conn *c = conn_new(arg, d, sock);

	if (c)
		conn_look(c);
	else
		close(sock);
}

static struct conn *find(struct http *h, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct conn *c;

	TAILQ_FOREACH(c, &h->conns, link)
	{
		if (i && c->fd == i->connect_fd)
			return c;
	}
	return NULL;
}

void conn_notify(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct conn *c = *context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c)
			conn_free(c);
		*context = NULL;
		return;
	}
	c = find(cls, mhd);
	if (c)
		c->mhd = mhd;
	*context = c;
}

/* --- while a job works --------------------------------------------------------------------------------------- */

void conn_resume(struct conn *c)
{
	loop_unwatch(c->watch);
	c->watch = NULL;
	MHD_resume_connection(c->mhd);
	loop_timer_set(c->http->timer, 0);
}

void request_give_up(struct request *q)
{
	job_cancel(q->job);
	q->job = NULL;
	q->is_worked = true;
	q->how = JOB_FAILED;
	conn_resume(q->conn);
}

/* The client went away. */
static void on_hangup(void *arg, short revents)
{
	struct conn *c = arg;

	(void)revents;
	request_give_up(c->request);
}

void conn_suspend(struct conn *c)
{
	conn_set_state(c, CONN_WORKING);
	MHD_suspend_connection(c->mhd);
	c->watch = loop_watch_fd(c->http->loop, c->fd, POLLRDHUP, on_hangup, c);
}
