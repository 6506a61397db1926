/* collectord/live/process_state.c - a process as its session's state knows it: logged, packed, and back.
 *
 * What is not there is made again: timers, the pidfd (by pid and start time), the saver's directory. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "collectord/live/census.h"
#include "collectord/live/kin.h"
#include "collectord/live/parts.h"
#include "collectord/live/process.h"
#include "collectord/live/records.h"
#include "collectord/live/session.h"
#include "common/testpoint.h"

static void *log_to(const struct process *p, enum record_kind kind, size_t size)
{
	return state_add(p->session->state, kind, size);
}

void process_log_begin(const struct process *p)
{
	struct record_process *r = log_to(p, RECORD_PROCESS, sizeof(*r));

	if (r)
		*r = (struct record_process){ p->ordinal,
					      p->pid,
					      p->ppid,
					      p->said_pid,
					      p->start_ns,
					      p->ticks,
					      p->session->is_nested,
					      0,
					      TEST_NEXT(~p->start_ns) };
}

void process_log_end(const struct process *p)
{
	struct record_end *r = log_to(p, RECORD_END, sizeof(*r));

	if (r)
		*r = (struct record_end){ p->number, p->end_reason, p->end_ns, p->exit_known, p->exit_status };
}

void process_log_buried(const struct process *p)
{
	struct record_buried *r = log_to(p, RECORD_BURIED, sizeof(*r));

	if (r)
		*r = (struct record_buried){ p->number, 0, p->audit };
}

void process_log_gone(const struct process *p)
{
	struct record_gone *r = log_to(p, RECORD_GONE, sizeof(*r));

	if (r)
		*r = (struct record_gone){ p->number, 0 };
}

void process_log_saved(const struct process *p, enum snapshot_reason why)
{
	struct record_saved *r = log_to(p, RECORD_SAVED, sizeof(*r));

	if (!r)
		return;
	*r = (struct record_saved){ .number = p->number, .why = why, .file = p->saver.number };
	memcpy(r->path, p->saver.last, sizeof(r->path));
	state_commit(p->session->state);
	TEST_POINT(save_logged);
}

/* --- checkpoints ------------------------------------------------------------------------------------------- */

struct packed_process {
	uint32_t number, ordinal, pid, ppid, said_pid;
	uint32_t state, end_reason;
	int32_t exit_known, exit_status;
	uint32_t seq; /* snapshots so far */
	uint64_t ticks, start_ns, end_ns;
	uint64_t drained, spilled;
	struct snapshot_audit audit;
	char last[192];
	TEST_NEXT(uint64_t check;)
};

static_assert(sizeof(struct snapshot_audit) == 104,
	      "grew: its new fields come at the ends of packed_process and record_buried, and with STATE_MINOR");
static_assert(sizeof(((struct packed_process *)0)->last) == sizeof(((struct saver *)0)->last) &&
		      sizeof(((struct record_saved *)0)->path) == sizeof(((struct saver *)0)->last),
	      "a snapshot's path as the saver has it");

void process_pack(const struct process *p, struct pack_writer *w)
{
	struct packed_process head = {
		.number = p->number,
		.ordinal = p->ordinal,
		.pid = p->pid,
		.ppid = p->ppid,
		.said_pid = p->said_pid,
		.state = p->state,
		.end_reason = p->end_reason,
		.exit_known = p->exit_known,
		.exit_status = p->exit_status,
		.seq = p->saver.seq,
		.ticks = p->ticks,
		.start_ns = p->start_ns,
		.end_ns = p->end_ns,
		.drained = p->ledger.drained,
		.spilled = p->ledger.spilled,
		.audit = p->audit,
	};

	TEST_NEXT(head.check = ~p->start_ns;)
	memcpy(head.last, p->saver.last, sizeof(head.last));
	part_put(w, PART_PROCESS, &head, sizeof(head), 0);
	part_end(w);
	books_pack(&p->ledger.books, w);
}

static int check(const struct session *s, const struct packed_process *h)
{
	bool entered = h->ordinal < s->region.map.geo.procs && !session_process(s, h->ordinal);

	if (h->state > PROCESS_LAST_SAVE || h->end_reason > SNAPSHOT_ASKED || h->number >= s->n_numbers)
		return -EBADMSG;
	return entered || (h->ordinal == UINT32_MAX && h->state == PROCESS_LAST_SAVE) ? 0 : -EBADMSG;
}

static void take(struct process *p, const struct packed_process *h)
{
	p->pid = h->pid;
	p->ppid = h->ppid;
	p->said_pid = h->said_pid;
	p->state = h->state;
	p->end_reason = h->end_reason;
	p->exit_known = h->exit_known;
	p->exit_status = h->exit_status;
	p->ticks = h->ticks;
	p->start_ns = h->start_ns;
	p->end_ns = h->end_ns;
	p->audit = h->audit;
	p->ledger.drained = h->drained;
	p->ledger.spilled = h->spilled;
}

int process_unpack(struct session *s, struct pack_reader *r, struct process **ret)
{
	const struct abi_geometry *geo = &s->region.map.geo;
	struct packed_process head;
	struct process *p;
	int e = part_get(r, PART_PROCESS, &head, sizeof(head));

	if (!e)
		e = check(s, &head);
	TEST_NEXT(if (!e && head.check && head.check != ~head.start_ns) e = -EBADMSG;)
	if (e)
		return e;
	part_leave(r);
	p = process_allocate(s, head.number, head.ordinal);
	if (!p)
		return -ENOMEM;
	take(p, &head);
	e = books_unpack(&p->ledger.books, geo->stack_slots, geo->stack_words, r);
	if (!e)
		e = process_start(p);
	if (e) {
		process_free(p);
		return e;
	}
	saver_resume(&p->saver, head.seq, head.last);
	*ret = p;
	return 0;
}

/* --- replay ------------------------------------------------------------------------------------------------ */

int process_replay_begin(struct session *s, const struct record_process *r, struct process **ret)
{
	const struct abi_geometry *geo = &s->region.map.geo;
	struct process *p;
	int e;

	if (r->ordinal >= geo->procs || session_process(s, r->ordinal))
		return -EBADMSG;
	TEST_NEXT(if (r->check && r->check != ~r->start_ns) return -EBADMSG;)
	p = process_allocate(s, s->n_numbers, r->ordinal);
	if (!p)
		return -ENOMEM;
	p->pid = r->pid;
	p->ppid = r->ppid;
	p->said_pid = r->said_pid;
	p->start_ns = r->start_ns;
	p->ticks = r->ticks;
	s->is_nested |= r->is_nested != 0;
	e = books_init(&p->ledger.books, geo->stack_slots);
	if (!e)
		e = process_start(p);
	if (e) {
		process_free(p);
		return e;
	}
	s->n_numbers++;
	*ret = p;
	return 0;
}

/* One that we saw start is watched again; others end when nobody has the region any more.  Not to watch one for
 * want of memory would leave it unburied for as long as its session lasts. */
int process_reopen(struct process *p)
{
	int r = -EPERM;

	if (p->state == PROCESS_LIVE && p->ticks && p->pidfd < 0)
		r = kin_reopen(p->pid, p->ticks, &p->pidfd);
	if (p->pidfd >= 0 && !p->death)
		r = process_watch(p);
	p->is_missing = r == -ESRCH;
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
}

void process_resume(struct process *p)
{
	saver_hold(&p->saver);
	p->ledger.is_closing = false; /* it is buried from the start: all of that may be done twice */
	process_schedule(p);
	census_add_process(p->session->env->census, p);
	if (p->is_missing)
		process_end(p, SNAPSHOT_EXIT);
	if (p->state == PROCESS_LAST_SAVE)
		process_conclude(p);
}
