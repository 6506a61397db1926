/* collectord/http/conn.c - connections: accepted, counted and timed by us, handed to libmicrohttpd; see
 * http_impl.h. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/http/http_impl.h"
#include "collectord/http/reply.h"

#define MAX_CONNS_PER_USER 64u /* on unix sockets */
#define MAX_CONNS_TCP 160u
#define READ_MS 5000            /* for a whole request */
#define SEND_MS 600000          /* for the client to take a whole answer */
#define UID_TCP UINT32_MAX      /* stands for all TCP clients */
#define MAX_HELD (256ull << 20) /* bytes of answers that one user's clients have not taken yet */

static void conn_free(struct conn *c)
{
	TAILQ_REMOVE(&c->http->conns, c, link);
	loop_unwatch(c->hangup);
	loop_timer_free(c->deadline);
	free(c);
}

/* libmicrohttpd finds it closed, and closes it. */
void conn_drop(struct conn *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

static void conn_time_out(struct conn *c)
{
	static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Type: " REPLY_TEXT
				   "\r\nConnection: close\r\n\r\n408 Request Timeout\n";

	if (c->state == CONN_READING && send(c->fd, late, sizeof(late) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		c->state = CONN_SENDING; /* it would not take it: nothing is owed */
	conn_drop(c);
}

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
	if (!c->deadline || is_full(h) ||
	    (d->is_unix && viewer_of(sock, collector_admin_gid(h->collector), &c->who)) || !has_room(h, c)) {
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

void conn_accept(void *arg, const struct door *d, int sock)
{
	struct http *h = arg;
	struct conn *c = conn_new(h, d, sock);
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} peer = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);

	if (!c) {
		close(sock);
		return;
	}
	getpeername(sock, &peer.any, &len);
	/* Closes the socket if it fails; whether we are told then depends on how far it came. */
	if (MHD_add_connection(h->daemon, sock, &peer.any, len) != MHD_YES && is_listed(h, c) && !c->mhd)
		conn_free(c);
	http_pump(h);
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
	loop_unwatch(c->hangup);
	c->hangup = NULL;
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
	c->hangup = loop_watch_fd(c->http->loop, c->fd, POLLRDHUP, on_hangup, c);
}
