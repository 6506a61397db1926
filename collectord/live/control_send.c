/* collectord/live/control_send.c - an answer's way out, and what becomes of one that nobody takes; see
 * control_impl.h.
 *
 * Records are queued whole and sent as the socket takes them; after a CONTROL_PROFILE the bytes of a snapshot, a
 * chunk at a time.  What is in the socket is memory of ours until the other side reads it or closes, however long
 * we are gone: so an asker stays, and counts against its user, until nothing of it is left there. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/live/control_impl.h"

#define READ_MS 5000    /* for the reader to take a whole answer */
#define READ_RATE 1024u /* bytes a millisecond, of a long one */
#define PUSH_CHUNKS 16u /* at a time: others wait for their collector, too */
#define LEFT_MS 20      /* until the first look whether it was read, then twice as long each time */
#define LEFT_MAX_MS 1000

/* Nothing more is done for it, but it is still there. */
static void drop(struct asker *a)
{
	loop_unwatch(a->watch);
	a->watch = NULL;
	if (a->offload) {
		offload_cancel(a->offload);
		a->control->n_offloads--;
	}
	a->offload = NULL;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->size = 0;
	free(a->records);
	a->records = NULL;
	a->n_records = a->room = a->sent = a->n_open = 0;
	a->is_waiting = false;
}

void asker_free(struct asker *a)
{
	TAILQ_REMOVE(&a->control->askers, a, link);
	drop(a);
	loop_timer_free(a->deadline);
	close(a->sock);
	free(a->awaited);
	free(a);
}

/* Gone, or when all that is in the socket is. */
static void leave(struct asker *a)
{
	int unread = 0;

	if (ioctl(a->sock, SIOCOUTQ, &unread) || unread == 0) {
		asker_free(a);
		return;
	}
	if (!a->is_left) {
		drop(a);
		shutdown(a->sock, SHUT_WR);
		a->left_ms = LEFT_MS / 2;
	}
	a->is_left = true;
	a->left_ms = 2 * a->left_ms < LEFT_MAX_MS ? 2 * a->left_ms : LEFT_MAX_MS;
	loop_timer_set(a->deadline, a->left_ms);
}

void asker_put(struct asker *a, const struct control_record *r)
{
	size_t room = a->room ? 2 * a->room : 8;
	struct control_record *grown;

	if (a->n_records == a->room) {
		grown = reallocarray(a->records, room, sizeof(*grown));
		if (!grown)
			return; /* the answer misses its end: the reader will say so */
		a->records = grown;
		a->room = room;
	}
	a->records[a->n_records] = *r;
	a->records[a->n_records++].magic = CONTROL_MAGIC;
}

void asker_end(struct asker *a, int error, const char *fmt, ...)
{
	struct control_record r = { .kind = CONTROL_END, .error = (uint32_t)error };
	struct collector_counts n;
	const char *last = "";
	va_list ap;

	collector_counts(a->control->collector, &n);
	r.end.errors = collector_errors(a->control->collector, &last);
	r.end.sessions = n.sessions;
	r.end.max_sessions = n.max_sessions;
	r.end.max_sessions_per_user = n.max_sessions_per_user;
	r.end.refused = n.refused;
	snprintf(r.end.version, sizeof(r.end.version), "%s", HEAPTAP_VERSION);
	if (a->who.sees_all)
		snprintf(r.end.last_error, sizeof(r.end.last_error), "%.255s", last);
	va_start(ap, fmt);
	vsnprintf(r.end.text, sizeof(r.end.text), fmt, ap);
	va_end(ap);
	asker_put(a, &r);
	a->is_over = true;
	loop_timer_set(a->deadline, READ_MS + (int64_t)(a->size / READ_RATE));
}

static bool send_message(const struct asker *a, const void *buf, size_t len)
{
	ssize_t n;

	do {
		n = send(a->sock, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

static bool send_chunk(struct asker *a)
{
	char buf[CONTROL_CHUNK];
	size_t left = (size_t)(a->size - a->given), n = left < sizeof(buf) ? left : sizeof(buf);

	if (pread(a->fd, buf, n, (off_t)a->given) != (ssize_t)n) {
		errno = EIO;
		return false;
	}
	if (!send_message(a, buf, n))
		return false;
	a->given += n;
	return true;
}

static bool is_in_profile(const struct asker *a)
{
	return a->given < a->size && a->sent && a->records[a->sent - 1].kind == CONTROL_PROFILE;
}

static bool send_next(struct asker *a)
{
	if (is_in_profile(a))
		return send_chunk(a);
	if (!send_message(a, &a->records[a->sent], sizeof(*a->records)))
		return false;
	a->sent++;
	return true;
}

static void on_socket(void *arg, short revents);

/* Watch for room, or while there is nothing to send for a hang-up. */
static int watch(struct asker *a, bool is_full)
{
	if (a->watch && a->is_full == is_full)
		return 0;
	loop_unwatch(a->watch);
	a->is_full = is_full;
	a->watch = loop_watch_fd(a->control->loop, a->sock, is_full ? POLLOUT : POLLIN, on_socket, a);
	return a->watch ? 0 : -ENOMEM;
}

static bool has_more(const struct asker *a)
{
	return a->sent < a->n_records || is_in_profile(a);
}

void asker_push(struct asker *a)
{
	bool ok = true;

	if (a->is_left)
		return;
	for (uint64_t stop = a->given + PUSH_CHUNKS * CONTROL_CHUNK; ok && has_more(a) && a->given < stop;)
		ok = send_next(a);
	if (ok ? a->is_over && !has_more(a) : errno != EAGAIN)
		leave(a);
	else if (watch(a, has_more(a)))
		leave(a);
}

/* Room again; or, as one request is all there is, a hang-up or chatter. */
static void on_socket(void *arg, short revents)
{
	struct asker *a = arg;

	if (revents & (POLLERR | POLLHUP) || !a->is_full)
		leave(a);
	else
		asker_push(a);
}

void asker_late(void *arg)
{
	struct asker *a = arg;

	if (a->is_left || a->is_over) {
		leave(a);
		return;
	}
	asker_end(a, ETIMEDOUT, "%zu of %zu snapshots not written within %d s: is the disk busy?", a->n_open,
		  a->n_awaited, ASKER_AWAIT_MS / 1000);
	asker_push(a);
}
