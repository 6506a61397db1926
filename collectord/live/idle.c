/* collectord/live/idle.c - see idle.h.
 *
 * Where a burst fills lanes at once there is a look every 200 ms for some seconds, else every second; of a session
 * that is idle for long every fourth of these looks at the lanes, the others at whether a child was forked (one
 * that lives shorter than that is known by its number only).  A burst that begins in between costs no total: what
 * the lanes have no room for is in the spill counters, without its times and sizes. */
#include "collectord/live/idle.h"

#include <errno.h>
#include <stdlib.h>

#include "collectord/live/clock.h"

#define SPARSE_RATE 65536u /* from there on events are so rare that lanes do not fill up in moments */
#define FAST_MS 200
#define FAST_LOOKS 25u /* then it is as idle as others */
#define SLOW_MS 1000
#define SLOW_LOOKS 8u /* then it is idle for long */
#define LONG_SKIP 4u
#define BATCH 256u /* looks at a time: others wait for their collector, too */

struct idle_list {
	struct idle *all;
	TAILQ_HEAD(, session) sessions; /* who was looked at last is last */
	struct loop_timer *timer;
	size_t n, left; /* left: of this round */
	int64_t ms;
};

struct idle {
	struct idle_list fast, slow;
};

void idle_leave(struct session *s)
{
	struct idle_list *l = s->idle;

	if (!l)
		return;
	TAILQ_REMOVE(&l->sessions, s, idle_link);
	s->idle = NULL;
	if (--l->n == 0)
		loop_timer_set(l->timer, -1);
}

/* `lanes`: they are looked at, too, else only forks are. */
static bool is_quiet(const struct session *s, bool lanes)
{
	return !s->claims_open && load_relaxed(&s->region.map.cursors->procs) == s->claims_seen &&
	       (!lanes || drain_is_quiet(&s->drain));
}

/* All its processes are watched, so that we hear of their ends. */
bool idle_suits(const struct session *s)
{
	const struct process *p;

	if (s->is_over || LIST_EMPTY(&s->processes))
		return false;
	LIST_FOREACH(p, &s->processes, link)
	{
		if (p->state != PROCESS_LIVE || p->pidfd < 0)
			return false;
	}
	return is_quiet(s, true);
}

static void join(struct idle_list *l, struct session *s)
{
	TAILQ_INSERT_TAIL(&l->sessions, s, idle_link);
	s->idle = l;
	s->idle_looks = 0;
	if (l->n++ == 0)
		loop_timer_set(l->timer, l->ms);
}

/* A program may wait for us. */
static bool is_urgent(const struct session *s)
{
	return s->env->config->on_full == ABI_ON_FULL_WAIT;
}

static void look(struct session *s, uint64_t now)
{
	struct idle *all = s->idle->all;
	bool fast = s->idle == &all->fast;
	bool lanes = fast || s->idle_looks < SLOW_LOOKS || s->idle_looks % LONG_SKIP == 0;

	s->idle_looks++;
	if (!is_quiet(s, lanes)) {
		session_look_soon(s);
		return;
	}
	if (lanes)
		s->drain.emptied_ns = now - s->epoch_ns;
	if (fast && s->idle_looks >= FAST_LOOKS && !is_urgent(s)) {
		idle_leave(s);
		join(&all->slow, s);
	}
}

static void on_round(void *arg)
{
	struct idle_list *l = arg;
	uint64_t now = clock_read_ns(CLOCK_MONOTONIC);

	l->left = l->left ? l->left : l->n;
	for (uint32_t k = 0; k < BATCH && l->left && l->n; k++) {
		struct session *s = TAILQ_FIRST(&l->sessions);

		l->left--;
		TAILQ_REMOVE(&l->sessions, s, idle_link);
		TAILQ_INSERT_TAIL(&l->sessions, s, idle_link);
		look(s, now);
	}
	l->left = l->n ? l->left : 0;
	if (l->n)
		loop_timer_set(l->timer, l->left ? 0 : l->ms);
}

void idle_join(struct idle *i, struct session *s)
{
	bool is_sparse = s->rate == 0 || s->rate >= SPARSE_RATE;

	join(is_sparse && !is_urgent(s) ? &i->slow : &i->fast, s);
}

static int init(struct idle *i, struct idle_list *l, struct loop *loop, int64_t ms)
{
	l->all = i;
	TAILQ_INIT(&l->sessions);
	l->ms = ms;
	l->timer = loop_timer_new(loop, on_round, l);
	return l->timer ? 0 : -ENOMEM;
}

int idle_new(struct loop *loop, struct idle **ret)
{
	struct idle *i = calloc(1, sizeof(*i));

	if (!i)
		return -ENOMEM;
	if (init(i, &i->fast, loop, FAST_MS) || init(i, &i->slow, loop, SLOW_MS)) {
		idle_free(i);
		return -ENOMEM;
	}
	*ret = i;
	return 0;
}

void idle_free(struct idle *i)
{
	if (!i)
		return;
	loop_timer_free(i->fast.timer);
	loop_timer_free(i->slow.timer);
	free(i);
}
