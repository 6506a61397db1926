/* collectord/live/session_new.c - how a session begins, and what it leaves behind: nothing; see session.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/clock.h"
#include "collectord/live/idle.h"
#include "collectord/live/session.h"

#define FIRST_DRAIN_MS 10u

void session_view_passive(const struct peer *peer, const struct hello *h, struct session_view *ret)
{
	*ret = (struct session_view){
		.pid = peer->pid,
		.ppid = h->ppid,
		.uid = peer->uid,
		.exe = h->exe,
		.cmdline = h->cmdline,
		.allocator = h->allocator,
		.status = h->status,
		.last_snapshot = "",
	};
}

static void take_labels(struct session *s, const struct peer *peer, const struct hello *h)
{
	s->uid = peer->uid;
	memcpy(s->exe, h->exe, sizeof(s->exe));
	memcpy(s->cmdline, h->cmdline, sizeof(s->cmdline));
	memcpy(s->allocator, h->allocator, sizeof(s->allocator));
}

static int init_parts(struct session *s)
{
	struct abi_geometry geo = region_geometry(s->rate);
	int r = region_create(&geo, s->id, s->epoch_ns, s->rate, s->max_depth, &s->region);

	if (!r && s->env->keeper)
		r = state_new(&s->state);
	if (r)
		return r;
	store_relaxed(&s->region.map.control->on_full, s->env->config->on_full);
	session_set_threads(s, s->env->config->by_thread);
	store_relaxed(&s->region.map.control->no_follow, s->env->config->only_pid != 0);
	return session_init_drain(s);
}

struct session *session_allocate(struct session_env *env, uint64_t id)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	LIST_INIT(&s->processes);
	s->env = env;
	s->id = id;
	s->drain_ms = FIRST_DRAIN_MS;
	s->region = (struct shared_region)SHARED_REGION_NONE;
	return s;
}

/* The program itself, whose pidfd is taken over. */
static int take_program(struct session *s, struct peer *peer, const struct hello *h)
{
	struct process *p;
	int r = process_new(s, peer->pid, h->ppid, peer->pidfd, &p);

	peer->pidfd = -1;
	if (r)
		return r;
	session_add(s, p);
	s->drain.state = s->state;
	return s->state ? session_checkpoint(s) : 0;
}

int session_new(struct session_env *env, uint64_t id, struct peer *peer, const struct hello *h,
		struct session **ret)
{
	struct session *s = session_allocate(env, id);
	int r;

	if (!s)
		return -ENOMEM;
	s->epoch_ns = clock_read_ns(CLOCK_MONOTONIC);
	s->rate = env->config->rate;
	s->max_depth = env->config->max_depth ? env->config->max_depth : ABI_DEFAULT_DEPTH;
	take_labels(s, peer, h);
	r = init_parts(s);
	if (!r)
		r = take_program(s, peer, h);
	if (r) {
		session_free(s);
		return r;
	}
	loop_timer_set(s->drain_timer, s->drain_ms);
	*ret = s;
	return 0;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	while (!LIST_EMPTY(&s->processes)) {
		struct process *p = LIST_FIRST(&s->processes);

		LIST_REMOVE(p, link);
		process_free(p);
	}
	idle_leave(s);
	loop_timer_free(s->drain_timer);
	drain_done(&s->drain);
	threads_done(&s->threads);
	free(s->by_ordinal);
	region_destroy(&s->region);
	state_free(s->state);
	free(s);
}
