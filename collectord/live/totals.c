/* collectord/live/totals.c - see totals.h. */
#include "collectord/live/totals.h"

#include <stdlib.h>

#include "collectord/live/collector_impl.h"
#include "common/weight.h"

#define MORE_USERS 16u

static void add(struct collector_totals *to, const struct collector_totals *one)
{
	const uint64_t *from = (const uint64_t *)one;
	uint64_t *at = (uint64_t *)to;

	static_assert(sizeof(*one) % sizeof(*from) == 0, "collector_totals is an array of uint64_t");
	for (size_t i = 0; i < sizeof(*one) / sizeof(*from); i++)
		at[i] += from[i];
}

/* In-use may be below 0 for a moment: lanes are read one after another. */
static uint64_t whole(uint64_t fixed, unsigned shift)
{
	return (int64_t)fixed > 0 ? fixed >> shift : 0;
}

void totals_of(const struct session_view *v, struct collector_totals *ret)
{
	const struct snapshot_values *t = &v->total;
	const struct snapshot_audit *a = &v->audit;
	const bool is_counted = a->counted || a->uncounted;

	*ret = (struct collector_totals){
		.ended = v->ended,
		.alloc_bytes = is_counted ? a->counted : whole(t->alloc_bytes, WEIGHT_BYTES_SHIFT),
		.alloc_objects = whole(t->alloc_count, WEIGHT_COUNT_SHIFT),
		.samples = a->samples,
		.frees = a->frees,
		.drained = a->drained,
		.spilled = a->spilled,
		.untracked = a->untracked,
		.corrupt = a->corrupt,
		.stack_full = a->stack_full,
		.truncated = a->truncated,
		.snapshots = v->snapshots,
	};
	if (v->ended)
		return;
	ret->processes = 1;
	ret->inuse_bytes = whole(t->alloc_bytes - t->free_bytes, WEIGHT_BYTES_SHIFT);
	ret->inuse_objects = whole(t->alloc_count - t->free_count, WEIGHT_COUNT_SHIFT);
}

/* --- the dead ------------------------------------------------------------------------------------------------ */

static struct collector_totals *sums_of(struct totals_past *past, uint32_t uid)
{
	for (size_t i = 0; i < past->n; i++)
		if (past->users[i].uid == uid)
			return &past->users[i].sums;
	if (past->n == TOTALS_USERS)
		return &past->rest;
	if (past->n == past->room) {
		struct totals_user *grown =
			reallocarray(past->users, past->room + MORE_USERS, sizeof(*past->users));

		if (!grown)
			return &past->rest;
		past->users = grown;
		past->room += MORE_USERS;
	}
	past->users[past->n] = (struct totals_user){ .uid = uid };
	return &past->users[past->n++].sums;
}

void totals_bury(struct totals_past *past, const struct session_view *v)
{
	struct collector_totals one;

	totals_of(v, &one);
	add(sums_of(past, v->uid), &one);
}

void totals_past_done(struct totals_past *past)
{
	free(past->users);
	*past = (struct totals_past){ 0 };
}

/* --- all ----------------------------------------------------------------------------------------------------- */

static void add_session(const struct session *s, struct collector_totals *to)
{
	const struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		struct collector_totals one;
		struct session_view v;

		process_view(p, &v);
		totals_of(&v, &one);
		add(to, &one);
	}
}

void collector_totals(const struct collector *c, const struct viewer *who, struct collector_totals *ret,
		      uint64_t *ret_sessions)
{
	struct collector_totals all = { 0 };
	const struct session *s;
	uint64_t sessions = 0;

	for (size_t i = 0; i < c->past.n; i++)
		if (viewer_may_see(who, c->past.users[i].uid))
			add(&all, &c->past.users[i].sums);
	if (who->sees_all)
		add(&all, &c->past.rest);
	LIST_FOREACH(s, &c->sessions, link)
	{
		if (!viewer_may_see(who, s->uid))
			continue;
		sessions++;
		add_session(s, &all);
	}
	*ret = all;
	*ret_sessions = sessions;
}

uint64_t collector_lag_ns(const struct collector *c, const struct viewer *who)
{
	const struct session *s;
	uint64_t most = 0;

	LIST_FOREACH(s, &c->sessions, link)
	{
		const uint64_t lag = session_time(s) - s->drain.emptied_ns;

		if (!s->is_over && viewer_may_see(who, s->uid) && lag > most)
			most = lag;
	}
	return most;
}
