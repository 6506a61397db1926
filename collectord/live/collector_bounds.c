/* collectord/live/collector_bounds.c - what one user's programs may take of the collector, all together.
 *
 * Each session is bounded by its tables, and a user has many sessions: once a second memory and processes are added
 * up, and where a user is above a limit the session that takes the most ends, with a last snapshot of what it has.
 */
#include <errno.h>

#include "collectord/live/collector_impl.h"

#define LOOK_MS 1000

struct share {
	uint64_t bytes;
	uint32_t processes;
};

static struct share share_of(const struct session *s)
{
	struct share ret = { .bytes = s->drain.words * sizeof(uint64_t) };
	const struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		ret.processes++;
	}
	return ret;
}

static bool is_above(const struct collector *c, const struct share *of)
{
	return (c->config.max_memory_per_user && of->bytes > c->config.max_memory_per_user) ||
	       (c->config.max_processes_per_user && of->processes > c->config.max_processes_per_user);
}

/* Of all users if `uid` is NULL; *ret_most: the session that takes the most of what is above its limit. */
static struct share add_up(struct collector *c, const uint32_t *uid, struct session **ret_most)
{
	bool by_bytes = true;
	struct share sum = { 0 }, most = { 0 };
	struct session *s;

	for (int pass = 0; pass < 2; pass++) {
		LIST_FOREACH(s, &c->sessions, link)
		{
			struct share one;

			if ((uid && s->uid != *uid) || s->is_over)
				continue;
			one = share_of(s);
			if (pass == 0) {
				sum.bytes += one.bytes;
				sum.processes += one.processes;
			} else if (by_bytes ? one.bytes >= most.bytes : one.processes >= most.processes) {
				most = one;
				*ret_most = s;
			}
		}
		by_bytes = c->config.max_memory_per_user && sum.bytes > c->config.max_memory_per_user;
		if (!is_above(c, &sum))
			break;
	}
	return sum;
}

/* One session in a look: its memory is given back when its last snapshot is written. */
static void look(struct collector *c)
{
	struct session *s, *most = NULL;
	struct share all = add_up(c, NULL, &most);

	if (!is_above(c, &all)) /* then no single user is */
		return;
	LIST_FOREACH(s, &c->sessions, link)
	{
		struct share users;

		if (s->is_over)
			continue;
		most = NULL;
		users = add_up(c, &s->uid, &most);
		if (!is_above(c, &users) || !most)
			continue;
		most->is_over_limit = true;
		session_end(most);
		return;
	}
}

static void on_look(void *arg)
{
	struct collector *c = arg;

	loop_timer_set(c->bounds, LOOK_MS);
	look(c);
}

int collector_bound(struct collector *c)
{
	c->bounds = loop_timer_new(c->env.loop, on_look, c);
	if (!c->bounds)
		return -ENOMEM;
	loop_timer_set(c->bounds, LOOK_MS);
	return 0;
}
