/* collectord/live/control.c - connections of people who ask: who they are, their answers' way out; see control.h.
 *
 * Answers are worked out one after another, users in turn, with pauses in which the loop is there for others. Their
 * way out is control_send.c's. */
#include "collectord/live/control_impl.h"
#include "collectord/live/recovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "collectord/live/clock.h"

#define MAX_ASKERS 64u
#define MAX_ASKERS_PER_USER 16u
#define MAX_TOLD_PER_USER 64u /* that there are too many: the others are not even told */
#define SEND_ROOM 65536       /* bytes in the socket, the kernel takes twice that: ours until they are read */
#define TURN_NS 10000000      /* until somebody who has to wait is asked again */
#define RECOVERY_MS 5         /* until sessions of a predecessor may be all there */
#define PAUSE_FACTOR 4u       /* times the processor time an answer took, before the next one is begun */

/* --- requests ------------------------------------------------------------------------------------------------ */

static unsigned askers_of(const struct control *k, uint32_t uid)
{
	const struct asker *a;
	unsigned n = 0;

	TAILQ_FOREACH(a, &k->askers, link)
	{
		n += a->who.uid == uid;
	}
	return n;
}

/* What nobody reads is only held against its user. */
static bool is_crowded(const struct control *k, uint32_t uid)
{
	const struct asker *a;
	unsigned all = 0;

	TAILQ_FOREACH(a, &k->askers, link)
	{
		all += !a->is_left;
	}
	return all > MAX_ASKERS || askers_of(k, uid) > MAX_ASKERS_PER_USER;
}

static struct asker *asker_new(struct control *k, struct peer *peer)
{
	struct asker *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->control = k;
	a->fd = -1;
	a->deadline = loop_timer_new(k->loop, asker_late, a);
	if (!a->deadline || viewer_of(peer->sock, k->config->admin_gid, &a->who) ||
	    askers_of(k, a->who.uid) >= MAX_TOLD_PER_USER) {
		loop_timer_free(a->deadline);
		free(a);
		return NULL;
	}
	a->sock = peer->sock;
	peer->sock = -1;
	setsockopt(a->sock, SOL_SOCKET, SO_SNDBUF, &(int){ SEND_ROOM }, sizeof(int));
	TAILQ_INSERT_TAIL(&k->askers, a, link);
	loop_timer_set(a->deadline, ASKER_AWAIT_MS);
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

	if (a && recovery_is_busy(k->collector)) {
		loop_timer_set(k->turn, RECOVERY_MS);
		return;
	}
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
