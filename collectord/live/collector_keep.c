/* collectord/live/collector_keep.c - sessions that go from one collector to the next; see collector.h.
 *
 * A program hears of its region when that is kept.  At a shutdown every living process gets a snapshot, in case
 * there is no next collector, and goes on being recorded: into its region until somebody drains it. */
#include <errno.h>
#include <stdio.h>
#include <stdarg.h>
#include <string.h>

#include "collectord/live/collector_impl.h"

static void on_kept(void *arg, struct session *s, struct peer *peer)
{
	collector_welcome(arg, s, peer);
}

int collector_keep(struct collector *c)
{
	return c->config.keeper ? keep_new(c->env.loop, c->config.keeper, on_kept, c, &c->keep) : 0;
}

void collector_say(const struct collector *c, bool is_loss, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->config.on_word)
		c->config.on_word(text, is_loss, c->user.arg);
}

void collector_leave(struct collector *c)
{
	struct session *s;

	c->is_leaving = true;
	recovery_stop(c);
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
