/* collectord/live/session_replay.c - what a session's log says, entered once more; see session_state.c. */
#include <errno.h>
#include <string.h>

#include "collectord/live/clock.h"
#include "collectord/live/parts.h"
#include "collectord/live/records.h"
#include "collectord/live/session.h"

#define CLOCK_BYTES 65536u /* between two looks at the clock */

static struct process *numbered(struct session *s, uint32_t number)
{
	struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		if (p->number == number)
			return p;
	}
	return NULL;
}

static struct ledger *ledger_at(struct session *s, uint32_t ordinal)
{
	struct process *p = session_process(s, ordinal);

	return p ? &p->ledger : NULL;
}

static int replay_events(struct session *s, const void *r, size_t size)
{
	const struct abi_event *e = r;
	int failed = size % sizeof(*e) ? -EBADMSG : 0;

	for (size_t i = 0; !failed && i < size / sizeof(*e); i++)
		failed = drain_enter(&s->drain, ledger_at(s, e[i].proc), &e[i]);
	return failed;
}

static int replay_spill(struct session *s, const void *r, size_t size)
{
	const struct record_spill *spill = r;

	(void)size;
	return drain_replay_spill(&s->drain, ledger_at(s, spill->proc), spill);
}

static int replay_tails(struct session *s, const void *r, size_t size)
{
	return drain_replay_tails(&s->drain, r, size);
}

static int replay_process(struct session *s, const void *r, size_t size)
{
	struct process *p;
	int e = process_replay_begin(s, r, &p);

	(void)size;
	if (e)
		return e;
	e = session_reserve(s, p->ordinal);
	if (e) {
		process_free(p);
		return e;
	}
	session_add(s, p);
	drain_remember(&s->drain, &p->ledger);
	return 0;
}

static int replay_end(struct session *s, const void *r, size_t size)
{
	const struct record_end *end = r;
	struct process *p = numbered(s, end->number);

	(void)size;
	if (!p || p->state != PROCESS_LIVE || end->reason > SNAPSHOT_ASKED)
		return -EBADMSG;
	p->state = PROCESS_DYING;
	p->end_reason = end->reason;
	p->end_ns = end->end_ns;
	p->exit_known = end->exit_known;
	p->exit_status = end->exit_status;
	return 0;
}

/* Was its entry given back before the kill?  Then it says no pid, or another process's. */
static void release_entry(const struct session *s, const struct process *p)
{
	struct proc_info info;

	if (p->ordinal && proc_read(&s->region.map, p->ordinal, true, &info) && info.pid == p->said_pid &&
	    info.start_ns == p->start_ns)
		proc_release(&s->region.map, p->ordinal);
}

static int replay_buried(struct session *s, const void *r, size_t size)
{
	const struct record_buried *buried = r;
	struct process *p = numbered(s, buried->number);

	(void)size;
	if (!p || p->state != PROCESS_DYING || p->ordinal == UINT32_MAX)
		return -EBADMSG;
	p->audit = buried->audit;
	release_entry(s, p);
	s->by_ordinal[p->ordinal] = NULL;
	p->ordinal = UINT32_MAX;
	p->state = PROCESS_LAST_SAVE;
	return 0;
}

static int replay_gone(struct session *s, const void *r, size_t size)
{
	const struct record_gone *gone = r;
	struct process *p = numbered(s, gone->number);

	(void)size;
	if (!p || p->ordinal != UINT32_MAX)
		return -EBADMSG;
	LIST_REMOVE(p, link);
	drain_forget(&s->drain, &p->ledger);
	process_free(p);
	return 0;
}

static int replay_saved(struct session *s, const void *r, size_t size)
{
	const struct record_saved *saved = r;
	struct process *p = numbered(s, saved->number);

	(void)size;
	if (!p || !memchr(saved->path, 0, sizeof(saved->path)))
		return -EBADMSG;
	saver_resume(&p->saver, p->saver.seq + 1, saved->path);
	return 0;
}

static int replay_change(struct session *s, const void *r, size_t size)
{
	const struct record_change *change = r;

	(void)size;
	if (change->rate > ABI_MAX_RATE || change->max_depth > ABI_MAX_DEPTH)
		return -EBADMSG;
	s->rate_changed |= change->rate != s->rate;
	s->rate = change->rate;
	s->max_depth = change->max_depth;
	s->by_thread = change->by_thread != 0;
	return 0;
}

static int replay_over(struct session *s, const void *r, size_t size)
{
	const struct record_over *over = r;

	(void)size;
	s->is_over = true;
	s->drain.is_broken |= over->is_broken != 0;
	if (s->drain.corrupt < over->corrupt)
		s->drain.corrupt = over->corrupt;
	return 0;
}

static int replay_threads(struct session *s, const void *r, size_t size)
{
	const size_t each = sizeof(struct thread_name);

	return size % each || size / each > THREADS_MAX ? -EBADMSG
							: session_take_threads(s, r, (uint32_t)(size / each));
}

static const struct {
	int (*replay)(struct session *s, const void *r, size_t size);
	size_t size; /* 0: an array, which does not grow */
} kinds[RECORD_KINDS] = {
	[RECORD_EVENTS] = { replay_events, 0 },
	[RECORD_SPILL] = { replay_spill, sizeof(struct record_spill) },
	[RECORD_TAILS] = { replay_tails, 0 },
	[RECORD_PROCESS] = { replay_process, sizeof(struct record_process) },
	[RECORD_END] = { replay_end, sizeof(struct record_end) },
	[RECORD_BURIED] = { replay_buried, sizeof(struct record_buried) },
	[RECORD_GONE] = { replay_gone, sizeof(struct record_gone) },
	[RECORD_SAVED] = { replay_saved, sizeof(struct record_saved) },
	[RECORD_CHANGE] = { replay_change, sizeof(struct record_change) },
	[RECORD_OVER] = { replay_over, sizeof(struct record_over) },
	[RECORD_THREADS] = { replay_threads, 0 },
};

/* A struct that another minor wrote: what is missing is 0, what is too much goes. */
static int replay_struct(struct session *s, const struct record *r)
{
	alignas(u128) uint8_t copy[sizeof(struct record_saved)] = { 0 };
	size_t size = kinds[r->kind].size;

	memcpy(copy, r + 1, r->size < size ? r->size : size);
	return kinds[r->kind].replay(s, copy, size);
}

static int replay(struct session *s, const struct record *r)
{
	if (r->kind == 0 || (r->kind < ARRAY_SIZE(kinds) && !kinds[r->kind].replay))
		return -EBADMSG;
	if (r->kind >= ARRAY_SIZE(kinds))
		return r->kind & STATE_VITAL ? -EPROTO : 0;
	return kinds[r->kind].size ? replay_struct(s, r) : kinds[r->kind].replay(s, r + 1, r->size);
}

/* Records hold at most a pass's events: a clock is not asked too often. */
int session_replay_log(struct session *s, const struct state *st, uint64_t until_ns)
{
	const struct record *r;
	size_t bytes = 0;
	int e;

	while ((r = state_next(st, &s->replayed))) {
		e = replay(s, r);
		if (e)
			return e;
		bytes += sizeof(*r) + r->size;
		if (bytes > CLOCK_BYTES && clock_read_ns(CLOCK_THREAD_CPUTIME_ID) >= until_ns)
			return -EAGAIN;
		bytes = bytes > CLOCK_BYTES ? 0 : bytes;
	}
	return s->replayed == SIZE_MAX ? -EBADMSG : 0;
}
