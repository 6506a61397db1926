/* collectord/live/session.c - see session.h. */
#include "collectord/live/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/lane.h"

#define FIRST_DRAIN_MS 10u
#define MIN_DRAIN_MS 2u
#define MAX_DRAIN_MS 100u
#define IDLE_DRAIN_MS 200u /* nothing came at all */
#define TARGET_FILL 25u    /* per cent of a lane, when we come */
#define FINAL_TRIES 3u     /* of the last snapshot */
#define FINAL_RETRY_MS 1000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t session_elapsed_ns(const struct session *s)
{
	return (s->end_ns ? s->end_ns : now_ns()) - s->epoch_ns;
}

void session_view(const struct session *s, struct session_view *ret)
{
	*ret = (struct session_view){
		.id = s->id,
		.pid = s->pid,
		.ppid = s->ppid,
		.uid = s->uid,
		.exe = s->exe,
		.cmdline = s->cmdline,
		.allocator = s->allocator,
		.ended = s->state != SESSION_LIVE,
		.rate = s->rate,
		.elapsed_ns = session_elapsed_ns(s),
		.snapshots = s->saver.seq,
		.last_snapshot = s->saver.last,
	};
	books_total(&s->books, &ret->total);
	drain_audit(&s->drain, &ret->audit);
}

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

static void tell(const struct session *s, enum session_change what)
{
	const struct collector_config *c = s->env->config;
	struct session_view v;

	if (!c->on_change)
		return;
	session_view(s, &v);
	c->on_change(what, &v, c->arg);
}

static void gone(struct session *s)
{
	struct session_env *env = s->env;

	tell(s, SESSION_ENDED);
	env->on_gone(s, env->arg);
	session_free(s);
}

static void on_saved(struct session *s, enum snapshot_reason why, int result)
{
	bool last = s->state == SESSION_LAST_SAVE && why == s->end_reason && !(s->saver.wanted & 1u << why);

	if (result == 0)
		tell(s, SESSION_SAVED);
	if (!last)
		return;
	if (result == 0 || ++s->final_tries == FINAL_TRIES)
		gone(s);
	else
		loop_timer_set(s->save_timer, FINAL_RETRY_MS);
}

static void on_save_timer(void *arg)
{
	struct session *s = arg;

	if (s->state == SESSION_LAST_SAVE) {
		saver_want(&s->saver, s->end_reason);
		return;
	}
	loop_timer_set(s->save_timer, (int64_t)s->env->config->interval_s * 1000);
	session_drain_now(s);
	saver_want(&s->saver, SNAPSHOT_TIMER);
}

/* Proportional to how full the fullest lane was, so that it is a quarter full next time. */
static uint32_t next_drain_ms(const struct session *s, const struct drain_result *res)
{
	uint32_t ms = s->drain_ms * 2, limit = res->events ? MAX_DRAIN_MS : IDLE_DRAIN_MS;

	if (res->fill_pct > TARGET_FILL / 2)
		ms = s->drain_ms * TARGET_FILL / res->fill_pct;
	if (ms > limit)
		ms = limit;
	return ms < MIN_DRAIN_MS ? MIN_DRAIN_MS : ms;
}

/* Lanes that cannot be trusted end the session with what its books hold. */
static void corrupt(struct session *s)
{
	s->drain.corrupt++;
	session_end(s, SNAPSHOT_EXIT);
}

static void last_drain(struct session *s)
{
	struct drain_result res = { 0 };
	int r = drain_pass(&s->drain, session_elapsed_ns(s), &res);

	if (r)
		s->drain.corrupt++;
	if (!r && (res.more || res.events) && res.events < s->last_budget) {
		s->last_budget -= res.events;
		loop_timer_set(s->drain_timer, 0);
		return;
	}
	drain_spill(&s->drain, session_elapsed_ns(s));
	s->state = SESSION_LAST_SAVE;
	saver_want(&s->saver, s->end_reason);
}

static void on_drain(void *arg)
{
	struct session *s = arg;
	struct drain_result res;

	if (s->state == SESSION_LAST_DRAIN) {
		last_drain(s);
		return;
	}
	if (drain_pass(&s->drain, session_elapsed_ns(s), &res)) {
		corrupt(s);
		return;
	}
	if (!res.more)
		s->drain_ms = next_drain_ms(s, &res);
	loop_timer_set(s->drain_timer, res.more ? 0 : s->drain_ms);
}

void session_drain_now(struct session *s)
{
	struct drain_result res = { .more = true };
	uint64_t budget = (uint64_t)s->region.map.geo.lanes * s->region.map.geo.lane_events;

	while (s->state == SESSION_LIVE && res.more && res.events <= budget) {
		budget -= res.events;
		if (drain_pass(&s->drain, session_elapsed_ns(s), &res))
			corrupt(s);
	}
	if (s->state == SESSION_LIVE)
		drain_spill(&s->drain, session_elapsed_ns(s));
}

bool session_is_dead(const struct session *s)
{
	struct pollfd p = { .fd = s->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void note_exit_status(struct session *s)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == 0)
		return;
	s->exit_known = 1;
	s->exit_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
						    : info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

void session_end(struct session *s, enum snapshot_reason why)
{
	const struct abi_region *r = &s->region.map;

	if (s->state != SESSION_LIVE)
		return;
	s->state = SESSION_LAST_DRAIN;
	s->end_reason = why;
	s->end_ns = now_ns();
	s->last_budget = (uint64_t)r->geo.lanes * r->geo.lane_events;
	store_relaxed(&r->control->detached, 1);
	if (session_is_dead(s)) {
		note_exit_status(s);
		for (uint32_t ordinal = 0; ordinal < r->geo.procs; ordinal++)
			lane_unlock_dead(r, ordinal);
	}
	loop_unwatch(s->death);
	s->death = NULL;
	loop_timer_set(s->save_timer, -1);
	loop_timer_set(s->drain_timer, 0);
}

static void on_death(void *arg, short revents)
{
	(void)revents;
	session_end(arg, SNAPSHOT_EXIT);
}

static void take_labels(struct session *s, const struct peer *peer, const struct hello *h)
{
	s->pid = peer->pid;
	s->uid = peer->uid;
	s->ppid = h->ppid;
	memcpy(s->exe, h->exe, sizeof(s->exe));
	memcpy(s->cmdline, h->cmdline, sizeof(s->cmdline));
	memcpy(s->allocator, h->allocator, sizeof(s->allocator));
}

static int init_saver(struct session *s)
{
	const struct collector_config *c = s->env->config;
	char own[32], asked[256];
	struct session_view v;

	snprintf(own, sizeof(own), "s%llu", (unsigned long long)s->id);
	if (c->name_session) {
		session_view(s, &v);
		snprintf(asked, sizeof(asked), "%s", own);
		c->name_session(&v, asked, sizeof(asked), c->arg);
		if (saver_init(&s->saver, &s->env->save, s, asked, c->keep, on_saved) == 0)
			return 0;
	}
	return saver_init(&s->saver, &s->env->save, s, own, c->keep, on_saved);
}

static int init_parts(struct session *s)
{
	const struct collector_config *c = s->env->config;
	struct abi_geometry geo = region_geometry(c->rate);
	int r = region_create(&geo, s->id, s->epoch_ns, c->rate, c->max_depth ? c->max_depth : ABI_DEFAULT_DEPTH,
			      &s->region);

	if (!r)
		r = books_init(&s->books, geo.stack_slots);
	if (r)
		return r;
	drain_init(&s->drain, &s->region.map, s->region.memfd, &s->books, s->env->scratch);
	return init_saver(s);
}

static int start(struct session *s)
{
	struct loop *l = s->env->loop;

	s->death = loop_watch_fd(l, s->pidfd, POLLIN, on_death, s);
	s->drain_timer = loop_timer_new(l, on_drain, s);
	s->save_timer = loop_timer_new(l, on_save_timer, s);
	if (!s->death || !s->drain_timer || !s->save_timer)
		return -ENOMEM;
	loop_timer_set(s->drain_timer, s->drain_ms);
	if (s->env->config->interval_s)
		loop_timer_set(s->save_timer, (int64_t)s->env->config->interval_s * 1000);
	return 0;
}

int session_new(struct session_env *env, uint64_t id, struct peer *peer, const struct hello *h,
		struct session **ret)
{
	struct session *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->env = env;
	s->id = id;
	s->epoch_ns = now_ns();
	s->rate = env->config->rate;
	s->drain_ms = FIRST_DRAIN_MS;
	s->region = (struct shared_region)SHARED_REGION_NONE;
	s->pidfd = peer->pidfd;
	peer->pidfd = -1;
	take_labels(s, peer, h);
	r = init_parts(s);
	if (!r)
		r = start(s);
	if (r)
		session_free(s);
	else
		*ret = s;
	return r;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	loop_unwatch(s->death);
	loop_timer_free(s->drain_timer);
	loop_timer_free(s->save_timer);
	saver_done(&s->saver);
	drain_done(&s->drain);
	books_done(&s->books);
	region_destroy(&s->region);
	close(s->pidfd);
	free(s);
}
