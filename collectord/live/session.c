/* collectord/live/session.c - see session.h. */
#include "collectord/live/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/clock.h"
#include "collectord/live/idle.h"
#include "collectord/live/records.h"
#include "common/lane.h"
#include "common/testpoint.h"

#define MIN_DRAIN_MS 2u
#define MAX_DRAIN_MS 100u
#define IDLE_DRAIN_MS 160u         /* nothing came at all: from now on with others (idle.c) */
#define TARGET_FILL 25u            /* per cent of a lane, when we come */
#define LOOK_INTERVAL_NS 500000000 /* between two looks whether anybody has the region */
#define ADOPT_BATCH 64u            /* processes taken up in one pass: others wait for their collector, too */
#define FEW_PROCESSES 8u
#define LAST_TRIES 3u  /* to drain it, if memory is short */
#define MAX_SAVING 64u /* dead processes being saved at a time: each has descriptors */

uint64_t session_time(const struct session *s)
{
	return clock_read_ns(CLOCK_MONOTONIC) - s->epoch_ns;
}

/* --- processes ----------------------------------------------------------------------------------------- */

struct process *session_process(const struct session *s, uint32_t ordinal)
{
	return ordinal < s->n_by_ordinal ? s->by_ordinal[ordinal] : NULL;
}

struct process *session_find_pid(const struct session *s, uint32_t pid)
{
	struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		if (p->pid == pid && p->state == PROCESS_LIVE)
			return p;
	}
	return NULL;
}

int session_reserve(struct session *s, uint32_t ordinal)
{
	uint32_t n = s->n_by_ordinal ? s->n_by_ordinal : FEW_PROCESSES;
	struct process **grown;

	if (ordinal == UINT32_MAX || ordinal < s->n_by_ordinal)
		return 0;
	while (n <= ordinal)
		n *= 2;
	grown = reallocarray(s->by_ordinal, n, sizeof(struct process *));
	if (!grown)
		return -ENOMEM;
	memset(&grown[s->n_by_ordinal], 0, (n - s->n_by_ordinal) * sizeof(struct process *));
	s->by_ordinal = grown;
	s->n_by_ordinal = n;
	return 0;
}

void session_add(struct session *s, struct process *p)
{
	LIST_INSERT_HEAD(&s->processes, p, link);
	if (p->ordinal != UINT32_MAX)
		s->by_ordinal[p->ordinal] = p;
}

/* Take the process up that took entry `ordinal`, if one did.  A pid is one living process's: whoever had it before
 * is dead, though we have not seen that yet. */
static struct process *adopt(struct session *s, uint32_t ordinal, bool heard)
{
	struct process *p, *before;
	struct proc_info info;

	if (s->is_over || !proc_read(&s->region.map, ordinal, heard, &info))
		return NULL;
	if (session_reserve(s, ordinal) || process_adopt(s, ordinal, &info, &p)) {
		s->drain.is_short = true;
		return NULL;
	}
	before = p->state == PROCESS_LIVE ? session_find_pid(s, p->pid) : NULL;
	if (before)
		process_end(before, SNAPSHOT_EXIT);
	session_add(s, p);
	process_tell(p, SESSION_STARTED);
	return p;
}

bool session_is_nested(struct session *s)
{
	const struct process *p = session_process(s, 0);

	if (!s->is_nested_known && p)
		s->is_nested |= process_is_nested(p);
	s->is_nested_known |= p != NULL;
	return s->is_nested;
}

static struct ledger *ledger_of(void *arg, uint32_t ordinal, bool *ret_begun)
{
	struct session *s = arg;
	struct process *p = session_process(s, ordinal);

	if (ret_begun)
		*ret_begun = !p;
	if (!p && ret_begun)
		p = adopt(s, ordinal, true);
	return p ? &p->ledger : NULL;
}

/* Entries whose processes have written nothing yet, or only to spill counters.  True: there are more of them. */
static bool adopt_some(struct session *s)
{
	const struct abi_region *r = &s->region.map;
	uint32_t claims = load_relaxed(&r->cursors->procs), n = claims < r->geo.procs ? claims : r->geo.procs;
	uint32_t adopted = 0;

	if (claims == s->claims_seen && !s->claims_open)
		return false;
	s->claims_seen = claims;
	s->claims_open = false;
	for (uint32_t i = 1; i < n && adopted < ADOPT_BATCH; i++) {
		if (load_relaxed(&r->procs[i].state) == ABI_PROC_CLAIMED)
			s->claims_open = true;
		else if (!session_process(s, i))
			adopted += adopt(s, i, false) != NULL;
	}
	s->claims_open |= adopted == ADOPT_BATCH || s->drain.is_short;
	return adopted == ADOPT_BATCH;
}

static void adopt_all(struct session *s)
{
	for (uint32_t i = 0; i <= s->region.map.geo.procs / ADOPT_BATCH && adopt_some(s); i++)
		;
}

static uint32_t count_state(const struct session *s, enum process_state state)
{
	const struct process *p;
	uint32_t n = 0;

	LIST_FOREACH(p, &s->processes, link)
	{
		n += p->state == state;
	}
	return n;
}

/* Somebody is dead, and there is room to save what is left of him. */
static bool may_bury(const struct session *s)
{
	return count_state(s, PROCESS_DYING) && count_state(s, PROCESS_LAST_SAVE) < MAX_SAVING;
}

/* The dead wrote their last before we drain; the living have been told to stop, what they write from here on is not
 * for anybody. */
static void bury(struct session *s)
{
	const struct abi_region *r = &s->region.map;
	uint32_t saving = count_state(s, PROCESS_LAST_SAVE);
	struct process *p, *next;

	LIST_FOREACH(p, &s->processes, link)
	{
		if (p->state != PROCESS_DYING || p->ledger.is_closing)
			continue;
		p->ledger.is_closing = true;
		lane_unlock_dead(r, p->ordinal);
	}
	drain_all(&s->drain, session_time(s));
	if (s->drain.is_short) /* what is left of them is not all read */
		return;
	for (p = LIST_FIRST(&s->processes); p && saving < MAX_SAVING; p = next) {
		next = LIST_NEXT(p, link);
		if (p->state != PROCESS_DYING || !p->ledger.is_closing)
			continue;
		process_audit(p, &p->audit);
		process_log_buried(p);
		state_commit(s->state); /* before its entry is another's */
		TEST_POINT(burial_logged);
		s->is_nested |= process_said_other(p); /* who is dead cannot be looked at */
		s->by_ordinal[p->ordinal] = NULL;
		if (p->ordinal)
			proc_release(r, p->ordinal);
		TEST_POINT(entry_given_back);
		p->ordinal = UINT32_MAX;
		saving += process_conclude(p); /* may free it */
	}
}

static void gone(struct session *s)
{
	s->env->on_gone(s, s->env->arg);
	session_free(s);
}

/* Processes that are only known to live because somebody has the region mapped: nothing else keeps the session. */
static bool is_unwatched(const struct session *s)
{
	const struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		if (p->state != PROCESS_LIVE || p->pidfd >= 0)
			return false;
	}
	return true;
}

/* `why`: of those that seem to live. */
static void end_all(struct session *s, enum snapshot_reason why)
{
	struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		process_end(p, process_is_dead(p) || s->drain.is_broken ? SNAPSHOT_EXIT : why);
	}
}

static void log_over(struct session *s)
{
	struct record_over *r = state_add(s->state, RECORD_OVER, sizeof(*r));

	if (r)
		*r = (struct record_over){ s->drain.is_broken, 0, s->drain.corrupt };
	state_commit(s->state);
}

void session_desert(struct session *s)
{
	s->is_over = true;
	log_over(s);
	end_all(s, SNAPSHOT_EXIT);
}

/* Does nobody have the region any more?  Asked now and then. */
static bool is_deserted(struct session *s)
{
	int r;

	if (session_time(s) < s->next_look_ns)
		return false;
	s->next_look_ns = session_time(s) + LOOK_INTERVAL_NS;
	r = region_is_ours(&s->region);
	s->is_lost = r < 0;
	return r != 0;
}

/* True: nobody is left, and it is gone. */
static bool is_done(struct session *s)
{
	if (s->is_busy || (!s->is_over && (!is_unwatched(s) || !is_deserted(s))))
		return false;
	if (!s->is_over)
		session_desert(s);
	if (!LIST_EMPTY(&s->processes) && !s->is_lost)
		return false;
	gone(s);
	return true;
}

void session_look_soon(struct session *s)
{
	idle_leave(s);
	if (s->drain_timer)
		loop_timer_set(s->drain_timer, 0);
}

void session_forget(struct session *s, struct process *p)
{
	process_log_gone(p);
	state_commit(s->state);
	TEST_POINT(process_gone);
	LIST_REMOVE(p, link);
	drain_forget(&s->drain, &p->ledger);
	process_free(p);
	if (!is_done(s) && may_bury(s))
		session_look_soon(s);
}

/* --- draining ------------------------------------------------------------------------------------------ */

/* Proportional to how full the fullest lane was, so that it is a quarter full next time. */
static uint32_t next_drain_ms(const struct session *s, const struct drain_result *res)
{
	uint32_t ms = s->drain_ms * (res->events ? 2 : 4);
	uint32_t limit = res->events ? MAX_DRAIN_MS : IDLE_DRAIN_MS;

	if (res->fill_pct > TARGET_FILL / 2)
		ms = s->drain_ms * TARGET_FILL / res->fill_pct;
	if (ms > limit)
		ms = limit;
	return ms < MIN_DRAIN_MS ? MIN_DRAIN_MS : ms;
}

static void look(struct session *s, struct drain_result *res)
{
	if (!s->is_over && drain_pass(&s->drain, session_time(s), res))
		session_end(s); /* its lanes cannot be trusted: what its books hold is all */
	if (!s->is_over)
		res->more |= adopt_some(s);
	if (may_bury(s))
		bury(s);
}

static void on_drain(void *arg)
{
	struct session *s = arg;
	struct drain_result res = { 0 };

	s->is_busy = true;
	state_begin_work(s->state);
	look(s, &res);
	session_look_at_threads(s);
	session_commit(s);
	s->is_busy = false;
	if (is_done(s))
		return;
	loop_timer_set(s->drain_timer, -1); /* a look soon that the pass itself asked for: this was one */
	if (!res.more)
		s->drain_ms = next_drain_ms(s, &res);
	const bool now = res.more || (may_bury(s) && !s->drain.is_short);

	if (!now && s->drain_ms >= IDLE_DRAIN_MS && idle_suits(s))
		idle_join(s->env->idle, s);
	else
		loop_timer_set(s->drain_timer, now ? 0 : s->drain_ms);
}

void session_drain_now(struct session *s)
{
	if (s->is_over)
		return;
	state_begin_work(s->state);
	if (drain_all(&s->drain, session_time(s)))
		session_end(s);
	else
		adopt_all(s);
	session_commit(s);
}

void session_change(struct session *s, uint32_t rate, uint32_t max_depth, bool by_thread)
{
	struct record_change *r = state_add(s->state, RECORD_CHANGE, sizeof(*r));

	if (r)
		*r = (struct record_change){ rate, max_depth, by_thread, 0 };
	state_commit(s->state);
	s->rate_changed |= rate != s->rate;
	s->rate = rate;
	s->max_depth = max_depth;
	store_relaxed(&s->region.map.control->rate, rate);
	store_relaxed(&s->region.map.control->max_depth, max_depth);
	session_set_threads(s, by_thread);
	session_look_soon(s);
}

/* There is no other time for what memory is short for now; what stays unread is counted as refused. */
static void drain_last(struct session *s)
{
	for (unsigned i = 0; i < LAST_TRIES && !s->drain.is_broken; i++) {
		if (drain_all(&s->drain, session_time(s)))
			return;
		adopt_all(s);
		if (!s->drain.is_short)
			return;
	}
}

void session_end(struct session *s)
{
	if (s->is_over)
		return;
	drain_last(s);
	s->is_over = true;
	log_over(s);
	store_relaxed(&s->region.map.control->detached, 1);
	end_all(s, SNAPSHOT_ASKED);
	session_look_soon(s);
}

int session_init_drain(struct session *s)
{
	s->drain_timer = loop_timer_new(s->env->loop, on_drain, s);
	if (!s->drain_timer || session_reserve(s, 0))
		return -ENOMEM;
	drain_init(&s->drain, &s->region.map, s->region.memfd, s->env->scratch, ledger_of, s);
	return 0;
}
