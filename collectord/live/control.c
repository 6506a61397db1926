/* collectord/live/control.c - connections of people who ask: who they are, their answers' way out; see control.h.
 *
 * An asker lives until its answer is sent, its end hangs up, or a deadline passes.  Answers are worked out one
 * after another, users in turn, with pauses in which the loop is there for others; records are queued whole and
 * sent as the socket takes them. */
#include "collectord/live/control_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/live/clock.h"

#define MAX_ASKERS 64u
#define MAX_ASKERS_PER_USER 16u
#define READ_MS 5000     /* for the reader to take a whole answer */
#define AWAIT_MS 60000   /* for snapshots to be on disk */
#define TURN_NS 10000000 /* until somebody who has to wait is asked again */
#define PAUSE_FACTOR 4u  /* times the processor time an answer took, before the next one is begun */

static void asker_free(struct asker *a)
{
	TAILQ_REMOVE(&a->control->askers, a, link);
	loop_timer_free(a->deadline);
	loop_unwatch(a->watch);
	if (a->offload) {
		offload_cancel(a->offload);
		a->control->n_offloads--;
	}
	close(a->sock);
	if (a->fd >= 0)
		close(a->fd);
	free(a->records);
	free(a->awaited);
	free(a);
}

/* --- the answer's way out ------------------------------------------------------------------------------------ */

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
	loop_timer_set(a->deadline, READ_MS);
}

static bool send_record(const struct asker *a, size_t i)
{
	struct iovec iov = { .iov_base = &a->records[i], .iov_len = sizeof(*a->records) };
	alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (i == 0 && a->fd >= 0)
		listener_attach_fd(&m, space, sizeof(space), a->fd);
	do {
		n = sendmsg(a->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)iov.iov_len;
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

void asker_push(struct asker *a)
{
	while (a->sent < a->n_records && send_record(a, a->sent))
		a->sent++;
	if (a->sent < a->n_records ? errno != EAGAIN : a->is_over)
		asker_free(a);
	else if (watch(a, a->sent < a->n_records))
		asker_free(a);
}

/* Room again; or, as one request is all there is, a hang-up or chatter. */
static void on_socket(void *arg, short revents)
{
	struct asker *a = arg;

	if (revents & (POLLERR | POLLHUP) || !a->is_full)
		asker_free(a);
	else
		asker_push(a);
}

static void on_deadline(void *arg)
{
	struct asker *a = arg;

	if (a->is_over) {
		asker_free(a);
		return;
	}
	asker_end(a, ETIMEDOUT, "%zu of %zu snapshots not written within %d s: is the disk busy?", a->n_open,
		  a->n_awaited, AWAIT_MS / 1000);
	asker_push(a);
}

/* --- requests ------------------------------------------------------------------------------------------------ */

static bool is_crowded(const struct control *k, uint32_t uid)
{
	const struct asker *a;
	unsigned all = 0, users = 0;

	TAILQ_FOREACH(a, &k->askers, link)
	{
		all++;
		users += a->who.uid == uid;
	}
	return all > MAX_ASKERS || users > MAX_ASKERS_PER_USER;
}

static struct asker *asker_new(struct control *k, struct peer *peer)
{
	struct asker *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->control = k;
	a->fd = -1;
	a->deadline = loop_timer_new(k->loop, on_deadline, a);
	if (!a->deadline || viewer_of(peer->sock, k->config->admin_gid, &a->who)) {
		loop_timer_free(a->deadline);
		free(a);
		return NULL;
	}
	a->sock = peer->sock;
	peer->sock = -1;
	TAILQ_INSERT_TAIL(&k->askers, a, link);
	loop_timer_set(a->deadline, AWAIT_MS);
	return a;
}

/* Not the user who was answered last, if another one waits. */
static struct asker *next_in_turn(const struct control *k)
{
	struct asker *a, *first = NULL;

	TAILQ_FOREACH(a, &k->askers, link)
	{
		if (!a->is_waiting)
			continue;
		if (a->who.uid != k->last_uid)
			return a;
		first = first ? first : a;
	}
	return first;
}

/* Answer who is next if it is time, and see to it that the one after it gets its turn. */
static void on_turn(void *arg)
{
	struct control *k = arg;
	struct asker *a = next_in_turn(k);
	uint64_t now = clock_read_ns(CLOCK_MONOTONIC), began;

	if (a && now >= k->next_turn_ns) {
		a->is_waiting = false;
		k->last_uid = a->who.uid;
		began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
		control_answer(a, &a->request);
		k->next_turn_ns = now + PAUSE_FACTOR * (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began);
		if (a->is_waiting)
			k->next_turn_ns += TURN_NS;
		asker_push(a);
		a = next_in_turn(k);
	}
	if (a)
		loop_timer_set(k->turn,
			       now < k->next_turn_ns ? (int64_t)((k->next_turn_ns - now) / 1000000) + 1 : 0);
}

void control_ask(struct control *k, struct peer *peer, const struct control_request *msg, size_t len)
{
	struct asker *a = asker_new(k, peer);

	if (!a)
		return;
	if (len != sizeof(*msg) || msg->version != CONTROL_VERSION || msg->size != sizeof(*msg))
		asker_end(a, EPROTO,
			  "the collector is heaptap %s and does not understand this request: use the "
			  "heaptap of the same version",
			  HEAPTAP_VERSION);
	else if (is_crowded(k, a->who.uid))
		asker_end(a, EBUSY, "too many questions at once: try again");
	else
		a->is_waiting = true;
	a->request = *msg;
	asker_push(a);
	on_turn(k);
}

/* --- the control --------------------------------------------------------------------------------------------- */

int control_new(struct loop *loop, struct collector *c, const struct collector_config *config, struct control **ret)
{
	struct control *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->loop = loop;
	k->collector = c;
	k->config = config;
	k->turn = loop_timer_new(loop, on_turn, k);
	if (!k->turn) {
		free(k);
		return -ENOMEM;
	}
	TAILQ_INIT(&k->askers);
	*ret = k;
	return 0;
}

void control_free(struct control *k)
{
	if (!k)
		return;
	while (!TAILQ_EMPTY(&k->askers))
		asker_free(TAILQ_FIRST(&k->askers));
	loop_timer_free(k->turn);
	free(k);
}

void control_note(struct control *k, enum session_change what, const struct session_view *v)
{
	struct asker *a, *next;

	if (what == SESSION_PASSIVE)
		control_note_passive(k, v);
	for (a = TAILQ_FIRST(&k->askers); a; a = next) {
		next = TAILQ_NEXT(a, link);
		if (!a->n_open)
			continue;
		control_awaited(a, what, v);
		asker_push(a);
	}
}
