/* collectord/live/collector_keep.c - sessions that go from one collector to the next; see collector.h.
 *
 * A program hears of its region when that is kept.  At a shutdown every living process gets a snapshot, in case
 * there is no next collector, and goes on being recorded: into its region until somebody drains it. */
#include <errno.h>
#include <stdio.h>
#include <stdarg.h>
#include <string.h>

#include "collectord/live/collector_impl.h"
#include "collectord/live/retain.h"

static void on_kept(void *arg, struct session *s, struct peer *peer)
{
	collector_welcome(arg, s, peer);
}

int collector_keep(struct collector *c)
{
	return c->config.keeper ? keep_new(c->env.loop, c->config.keeper, on_kept, c, &c->keep) : 0;
}

static void PRINTF(3, 4) word(const struct collector *c, bool is_loss, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->config.on_word)
		c->config.on_word(text, is_loss, c->user.arg);
}

/* Its program may live on: what was last written of it is all there will be. */
static void say_lost(void *arg, const char *name, const char *text)
{
	const struct collector *c = arg;

	retain_hold_session(c->env.save.retain, session_kept_id(name));
	word(c, true, "%.*s ends with the collector before, its last snapshot stays: %s", KEEPER_NAME_SIZE, name,
	     text);
}

static void on_pair(void *arg, const char *name, int region_fd, int state_fd)
{
	struct collector *c = arg;
	struct session *s;
	struct fault f;

	if (session_recover(&c->env, region_fd, state_fd, &s, &f)) {
		c->config.keeper->forget(c->config.keeper->arg, name);
		say_lost(c, name, f.text);
		if (c->last_id < session_kept_id(name))
			c->last_id = session_kept_id(name);
		return;
	}
	if (collector_add(c, s)) {
		session_free(s);
		c->config.keeper->forget(c->config.keeper->arg, name);
		say_lost(c, name, strerror(ENOMEM));
		return;
	}
	if (s->id > c->last_id)
		c->last_id = s->id;
}

void collector_recover(struct collector *c)
{
	struct session *s, *next;
	size_t n = 0;

	if (!c->keep)
		return;
	keep_sort(c->config.keeper, c->config.kept, c->config.n_kept, on_pair, say_lost, c);
	for (s = LIST_FIRST(&c->sessions); s; s = next) {
		next = LIST_NEXT(s, link);
		session_resume(s);
		n++;
	}
	if (n)
		word(c, false, "went on with %zu session%s of the collector before", n, n == 1 ? "" : "s");
}

void collector_leave(struct collector *c)
{
	struct session *s;

	c->is_leaving = true;
	keep_hurry(c->keep);
	LIST_FOREACH(s, &c->sessions, link)
	{
		struct process *p;

		session_drain_now(s);
		LIST_FOREACH(p, &s->processes, link)
		{
			if (p->state == PROCESS_LIVE)
				saver_want(&p->saver, SNAPSHOT_ASKED);
		}
	}
}

static bool is_saving(const struct session *s)
{
	const struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		if (p->saver.write || p->saver.wanted)
			return true;
	}
	return false;
}

size_t collector_staying(const struct collector *c)
{
	const struct session *s;
	size_t n = 0;

	LIST_FOREACH(s, &c->sessions, link)
	{
		n += is_saving(s);
	}
	return n;
}
