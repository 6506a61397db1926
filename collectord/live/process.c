/* collectord/live/process.c - see process.h. */
#include "collectord/live/process.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/live/census.h"
#include "collectord/live/clock.h"
#include "collectord/live/kin.h"
#include "collectord/live/session.h"

#define FINAL_TRIES 3u /* of the last snapshot */
#define FINAL_RETRY_MS 1000
#define SEARCH_WAIT 4u               /* times as long as searches took, until there are more */
#define SEARCH_CREDIT_NS 200000000ul /* that may be owed */

uint64_t process_time(const struct process *p)
{
	return p->end_ns ? p->end_ns : session_time(p->session);
}

void process_audit(const struct process *p, struct snapshot_audit *ret)
{
	if (p->ordinal == UINT32_MAX)
		*ret = p->audit;
	else
		drain_audit(&p->session->drain, p->ordinal, &p->ledger, ret);
}

void process_view(const struct process *p, struct session_view *ret)
{
	const struct session *s = p->session;

	*ret = (struct session_view){
		.id = s->id,
		.number = p->number,
		.pid = p->pid,
		.ppid = p->ppid,
		.uid = s->uid,
		.exe = s->exe,
		.cmdline = s->cmdline,
		.allocator = s->allocator,
		.ended = p->state != PROCESS_LIVE,
		.is_damaged = s->drain.is_broken,
		.is_over_limit = s->is_over_limit,
		.rate = s->rate,
		.rate_changed = s->rate_changed,
		.max_depth = s->max_depth,
		.by_thread = s->by_thread,
		.elapsed_ns = process_time(p) - p->start_ns,
		.stacks = p->ledger.books.n_buckets - 1,
		.snapshots = p->saver.seq,
		.last_snapshot = p->saver.last,
		.unrecorded = load_relaxed(&s->region.map.cursors->refused),
	};
	books_total(&p->ledger.books, &ret->total);
	process_audit(p, &ret->audit);
}

void process_tell(const struct process *p, enum session_change what)
{
	const struct collector_config *c = p->session->env->config;
	struct session_view v;

	if (!c->on_change)
		return;
	process_view(p, &v);
	c->on_change(what, &v, c->arg);
}

static void gone(struct process *p)
{
	process_tell(p, SESSION_ENDED);
	session_forget(p->session, p);
}

static void on_saved(struct process *p, enum snapshot_reason why, int result)
{
	bool last = p->state == PROCESS_LAST_SAVE && why == p->end_reason && !(p->saver.wanted & 1u << why);

	if (!result)
		process_log_saved(p, why);
	process_tell(p, result ? SESSION_SAVE_FAILED : SESSION_SAVED);
	if (!last)
		return;
	if (result == 0 || ++p->final_tries == FINAL_TRIES)
		gone(p);
	else
		loop_timer_set(p->save_timer, FINAL_RETRY_MS);
}

void process_schedule(struct process *p)
{
	uint32_t interval = p->session->env->config->interval_s;

	if (p->state == PROCESS_LIVE)
		loop_timer_set(p->save_timer, interval ? (int64_t)interval * 1000 : -1);
}

static void on_save_timer(void *arg)
{
	struct process *p = arg;

	if (p->state == PROCESS_LAST_SAVE) {
		saver_want(&p->saver, p->end_reason);
		return;
	}
	process_schedule(p);
	session_drain_now(p->session);
	if (p->state == PROCESS_LIVE)
		saver_want(&p->saver, SNAPSHOT_TIMER);
}

/* --- the end ------------------------------------------------------------------------------------------- */

bool process_is_dead(const struct process *p)
{
	return p->pidfd >= 0 && kin_is_dead(p->pidfd);
}

static void note_exit_status(struct process *p)
{
	siginfo_t info = { .si_pid = 0 };

	if (p->pidfd < 0 || waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == 0)
		return;
	p->exit_known = 1;
	p->exit_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
						    : info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

void process_end(struct process *p, enum snapshot_reason why)
{
	if (p->state != PROCESS_LIVE)
		return;
	p->state = PROCESS_DYING;
	p->end_reason = why;
	p->end_ns = session_time(p->session);
	if (process_is_dead(p))
		note_exit_status(p);
	process_log_end(p);
	loop_unwatch(p->death);
	p->death = NULL;
	loop_timer_set(p->save_timer, -1);
	session_look_soon(p->session);
}

static void on_death(void *arg, short revents)
{
	(void)revents;
	process_end(arg, SNAPSHOT_EXIT);
}

/* Nothing to tell of, and nobody asked. */
static bool is_empty(const struct process *p)
{
	struct snapshot_values total;

	books_total(&p->ledger.books, &total);
	return !total.allocs && !total.frees && !p->saver.seq && !p->saver.write && !p->saver.wanted;
}

bool process_conclude(struct process *p)
{
	bool keep = !p->session->env->config->skip_empty || !is_empty(p);

	p->state = PROCESS_LAST_SAVE;
	if (keep)
		saver_want(&p->saver, p->end_reason);
	else
		gone(p);
	return keep;
}

/* --- the beginning ------------------------------------------------------------------------------------- */

static int init_saver(struct process *p)
{
	struct session_env *env = p->session->env;
	const struct collector_config *c = env->config;
	char own[48], asked[256];
	struct session_view v;

	snprintf(own, sizeof(own), p->number ? "s%llu.%u" : "s%llu", (unsigned long long)p->session->id, p->number);
	if (c->name_session) {
		process_view(p, &v);
		snprintf(asked, sizeof(asked), "%s", own);
		c->name_session(&v, asked, sizeof(asked), c->arg);
		if (saver_init(&p->saver, &env->save, p, asked, on_saved) == 0)
			return 0;
	}
	return saver_init(&p->saver, &env->save, p, own, on_saved);
}

int process_watch(struct process *p)
{
	p->death = loop_watch_fd(p->session->env->loop, p->pidfd, POLLIN, on_death, p);
	return p->death ? 0 : -ENOMEM;
}

int process_start(struct process *p)
{
	struct session *s = p->session;
	int r = init_saver(p);

	if (r)
		return r;
	p->save_timer = loop_timer_new(s->env->loop, on_save_timer, p);
	return p->save_timer && (p->pidfd < 0 || !process_watch(p)) ? 0 : -ENOMEM;
}

struct process *process_allocate(struct session *s, uint32_t number, uint32_t ordinal)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->session = s;
	p->ordinal = ordinal;
	p->number = number;
	p->pidfd = -1;
	return p;
}

/* A pidfd is known to be the process's own; if it died before we looked, nobody who comes after is it. */
static void note_ticks(struct process *p)
{
	if (!p->session->state || p->pidfd < 0)
		return;
	p->ticks = kin_started(p->pid);
	if (kin_is_dead(p->pidfd))
		p->ticks = UINT64_MAX;
}

/* Only now is its number taken: a successor counts those that are in the log. */
static int finish(struct process *p, struct process **ret)
{
	int r = books_init(&p->ledger.books, p->session->region.map.geo.stack_slots);

	note_ticks(p);
	if (!r)
		r = process_start(p);
	if (r) {
		process_free(p);
		return r;
	}
	process_schedule(p);
	census_add_process(p->session->env->census, p);
	p->session->n_numbers++;
	*ret = p;
	return 0;
}

int process_new(struct session *s, uint32_t pid, uint32_t ppid, int pidfd, struct process **ret)
{
	struct process *p = process_allocate(s, s->n_numbers, 0);

	if (!p) {
		close(pidfd);
		return -ENOMEM;
	}
	p->pid = p->said_pid = pid;
	p->ppid = ppid;
	p->pidfd = pidfd;
	return finish(p, ret);
}

/* As it was when it took its entry: the program itself did so unwatched. */
static uint32_t said_pid(const struct process *p)
{
	struct proc_info info = { .pid = p->said_pid };

	if (p->number == 0)
		proc_read(&p->session->region.map, 0, true, &info);
	return info.pid;
}

bool process_said_other(const struct process *p)
{
	return p->ordinal != UINT32_MAX && said_pid(p) != p->pid;
}

/* Its pid is its own as long as it lives. */
bool process_is_nested(const struct process *p)
{
	bool nested = p->pidfd >= 0 && kin_is_nested(p->pid) && !process_is_dead(p);

	return nested || process_said_other(p);
}

/* A region may name as many processes as it likes, and the loop serves everybody: what a search cost has to be
 * paid off by waiting. */
static bool may_search(struct session *s)
{
	uint64_t now = session_time(s), passed = now - s->search_at_ns;

	s->search_debt_ns -= passed < s->search_debt_ns ? passed : s->search_debt_ns;
	s->search_at_ns = now;
	return s->search_debt_ns < SEARCH_CREDIT_NS;
}

static int find(struct process *p, const struct kin *k)
{
	uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
	int r = kin_find(k, &p->pid, &p->pidfd);

	if (!k->no_search)
		p->session->search_debt_ns += (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began) * SEARCH_WAIT;
	return r;
}

/* Who it is.  0; -ESRCH: it is dead; another -errno: it cannot be watched. */
static int identify(struct process *p, const struct proc_info *info)
{
	struct session *s = p->session;
	const struct process *parent = session_process(s, info->parent);
	bool is_parent = parent && said_pid(parent) == info->parent_pid;
	struct stat st = { .st_ino = 0 };
	struct kin k = { .pid = info->pid, .is_nested = session_is_nested(s), .no_search = !may_search(s) };
	int r;

	k.parent = is_parent && parent->pidfd >= 0 ? parent->pid : 0;
	if (fstat(s->region.memfd, &st) == 0)
		k.region_ino = st.st_ino;
	p->pid = p->said_pid = info->pid;
	p->ppid = is_parent ? parent->pid : info->parent_pid;
	r = find(p, &k);
	s->is_nested |= p->pid != info->pid;
	return r;
}

int process_adopt(struct session *s, uint32_t ordinal, const struct proc_info *info, struct process **ret)
{
	struct process *p = process_allocate(s, s->n_numbers, ordinal);
	uint64_t now = session_time(s);
	int found, r;

	if (!p)
		return -ENOMEM;
	p->start_ns = info->start_ns < now ? info->start_ns : now;
	found = identify(p, info);
	r = finish(p, ret);
	if (!r)
		process_log_begin(p);
	if (!r && found == -ESRCH)
		process_end(p, SNAPSHOT_EXIT);
	return r;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	census_remove_process(p);
	loop_unwatch(p->death);
	loop_timer_free(p->save_timer);
	saver_done(&p->saver);
	books_done(&p->ledger.books);
	if (p->pidfd >= 0)
		close(p->pidfd);
	free(p);
}
