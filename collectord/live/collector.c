/* collectord/live/collector.c - listener and sessions put together; see collector.h.
 *
 * Limits: sessions in all and per user, so that one user cannot starve the others; half-made handshakes are
 * listen.c's. */
#include "collectord/live/collector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/live/collector_impl.h"
#include "collectord/live/idle.h"

static void on_gone(struct session *s, void *arg)
{
	struct collector *c = arg;

	LIST_REMOVE(s, link);
	census_remove(&c->census, s->uid);
	if (c->keep)
		keep_forget(c->keep, s);
}

int collector_add(struct collector *c, struct session *s)
{
	int r = census_add(&c->census, s->uid);

	if (!r)
		LIST_INSERT_HEAD(&c->sessions, s, link);
	return r;
}

static bool has_quota(const struct collector *c, uint32_t uid)
{
	return c->census.sessions + c->recovery.n_left < c->config.max_sessions &&
	       census_of(&c->census, uid) < c->config.max_sessions_per_user;
}

/* The same pid says hello again: it executed another program (or the pid is already somebody else's). */
static void end_predecessor(struct process *p, void *arg)
{
	(void)arg;
	process_end(p, SNAPSHOT_EXIT);
}

static void tell(enum session_change what, const struct session_view *v, void *arg)
{
	struct collector *c = arg;

	if (what == SESSION_ENDED) /* and is forgotten next */
		totals_bury(&c->past, v);
	control_note(c->control, what, v);
	if (c->user.on_change)
		c->user.on_change(what, v, c->user.arg);
}

static void name_session(const struct session_view *v, char *buf, size_t size, void *arg)
{
	const struct collector *c = arg;

	c->user.name_session(v, buf, size, c->user.arg);
}

static void refuse(struct collector *c, struct peer *peer, const struct hello *h)
{
	struct session_view v;

	listener_welcome(peer, WELCOME_REFUSED, 0, 0, -1);
	session_view_passive(peer, h, &v);
	c->refused++;
	tell(SESSION_REFUSED, &v, c);
}

void collector_welcome(struct collector *c, struct session *s, struct peer *peer)
{
	struct session_view v;

	if (listener_welcome(peer, WELCOME_OK, s->id, s->region.size, s->region.memfd)) {
		on_gone(s, c);
		session_free(s);
		return;
	}
	if (!session_process(s, 0))
		return;
	process_view(session_process(s, 0), &v);
	tell(SESSION_STARTED, &v, c);
}

static void begin(struct collector *c, struct peer *peer, const struct hello *h)
{
	struct session *s;
	int r = session_new(&c->env, c->last_id + 1, peer, h, &s);

	if (!r) {
		r = collector_add(c, s);
		if (r)
			session_free(s);
	}
	if (r) {
		refuse(c, peer, h);
		return;
	}
	c->last_id = s->id;
	if (c->keep)
		keep_session(c->keep, s, peer);
	else
		collector_welcome(c, s, peer);
}

static void on_hello(void *arg, struct peer *peer, const struct hello *h)
{
	struct collector *c = arg;
	struct session_view v;

	if (c->config.only_pid && c->config.only_pid != peer->pid) {
		listener_welcome(peer, WELCOME_NOT_WANTED, 0, 0, -1);
		return;
	}
	census_each(&c->census, peer->pid, end_predecessor, NULL);
	if (recovery_note_caller(c, peer->pid)) {
		refuse(c, peer, h);
		return;
	}
	if (h->status != HELLO_ACTIVE) {
		listener_welcome(peer, WELCOME_NOTED, 0, 0, -1);
		session_view_passive(peer, h, &v);
		tell(SESSION_PASSIVE, &v, c);
	} else if (!has_quota(c, peer->uid)) {
		refuse(c, peer, h);
	} else {
		begin(c, peer, h);
	}
}

static void on_request(void *arg, struct peer *peer, const struct control_request *r, size_t len)
{
	struct collector *c = arg;

	control_ask(c->control, peer, r, len);
}

static void on_crowd(void *arg, uint32_t uid, size_t most, uint64_t n)
{
	collector_say(
		arg, true,
		"uid %u: more than %zu connections wait; %llu on top of them were closed, so programs among them "
		"are not recorded",
		uid, most, (unsigned long long)n);
}

static void init(struct collector *c, struct loop *loop, const struct collector_config *config)
{
	LIST_INIT(&c->sessions);
	c->user = *config;
	c->config = *config;
	c->config.on_change = tell;
	c->config.name_session = config->name_session ? name_session : NULL;
	c->config.arg = c;
	collector_take_limits(c, config);
	c->env.loop = loop;
	c->env.config = &c->config;
	c->env.census = &c->census;
	c->env.on_gone = on_gone;
	c->env.keeper = config->keeper;
	c->env.arg = c;
	c->env.save = (struct save_env){ .loop = loop, .out_fd = -1, .out_dir = config->out_dir };
}

/* First of all: who is refused here has changed nothing. */
static int listen_at(struct collector *c, struct fault *f)
{
	const struct listener_config lc = {
		.path = c->config.socket_path,
		.fd = c->config.listen_fd,
		.any_uid = c->config.any_uid,
		.on_hello = on_hello,
		.on_request = on_request,
		.on_crowd = on_crowd,
		.arg = c,
	};

	return listener_new(c->env.loop, &lc, &c->listener, f);
}

int collector_new(struct loop *loop, const struct collector_config *config, struct collector **ret, struct fault *f)
{
	struct collector *c;
	int r = collector_check(config, f);

	if (r)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return fault_set(f, -ENOMEM, "out of memory");
	init(c, loop, config);
	c->env.scratch = malloc(sizeof(*c->env.scratch));
	if (!c->env.scratch || idle_new(loop, &c->env.idle) || control_new(loop, c, &c->config, &c->control) ||
	    collector_keep(c))
		r = fault_set(f, -ENOMEM, "out of memory");
	if (!r)
		r = listen_at(c, f);
	if (!r)
		r = collector_open_dir(c, f);
	if (!r &&
	    (retain_new(loop, c->env.save.out_fd, &config->retain, &c->env.save.retain) || collector_bound(c)))
		r = fault_set(f, -ENOMEM, "out of memory");
	if (r) {
		collector_free(c);
		return r;
	}
	if (recovery_begin(c)) {
		collector_free(c);
		return fault_set(f, -ENOMEM, "out of memory");
	}
	*ret = c;
	return 0;
}

void collector_snapshot_all(struct collector *c, enum snapshot_reason why)
{
	struct session *s;

	recovery_want(c, why);
	collector_drain_all(c);
	LIST_FOREACH(s, &c->sessions, link)
	{
		struct process *p;

		LIST_FOREACH(p, &s->processes, link)
		{
			if (p->state == PROCESS_LIVE)
				saver_want(&p->saver, why);
		}
	}
}

void collector_drain_all(struct collector *c)
{
	struct session *s;

	LIST_FOREACH(s, &c->sessions, link)
	{
		session_drain_now(s);
	}
}

void collector_drain_user(struct collector *c, uint32_t uid)
{
	struct session *s;

	LIST_FOREACH(s, &c->sessions, link)
	{
		if (s->uid == uid)
			session_drain_now(s);
	}
}

void collector_each(struct collector *c, void (*fn)(const struct session_view *v, void *arg), void *arg)
{
	struct session *s;

	LIST_FOREACH(s, &c->sessions, link)
	{
		struct process *p;
		struct session_view v;

		LIST_FOREACH(p, &s->processes, link)
		{
			process_view(p, &v);
			fn(&v, arg);
		}
	}
}

size_t collector_pending(const struct collector *c)
{
	return c->is_leaving ? collector_staying(c) : c->census.sessions;
}

uint64_t collector_errors(const struct collector *c, const char **ret_last)
{
	*ret_last = c->env.save.last_error;
	return c->env.save.errors;
}

void collector_shutdown(struct collector *c)
{
	struct session *s;

	listener_free(c->listener);
	c->listener = NULL;
	if (c->keep) {
		collector_leave(c);
		return;
	}
	LIST_FOREACH(s, &c->sessions, link)
	{
		session_end(s);
	}
}

void collector_free(struct collector *c)
{
	if (!c)
		return;
	listener_free(c->listener);
	control_free(c->control);
	keep_free(c->keep);
	recovery_stop(c);
	loop_timer_free(c->recovery.timer);
	while (!LIST_EMPTY(&c->sessions)) {
		struct session *s = LIST_FIRST(&c->sessions);

		LIST_REMOVE(s, link);
		session_free(s);
	}
	idle_free(c->env.idle);
	loop_timer_free(c->bounds);
	retain_free(c->env.save.retain);
	if (c->env.save.out_fd >= 0)
		close(c->env.save.out_fd);
	totals_past_done(&c->past);
	census_done(&c->census);
	free(c->env.scratch);
	free(c);
}
