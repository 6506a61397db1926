/* collectord/live/control_answer.c - what each request is answered with; see control_impl.h.
 *
 * Somebody else's process does not exist for an asker. */
#include "collectord/live/control_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/clock.h"
#include "collectord/live/memfd.h"
#include "common/handshake.h"
#include "common/weight.h"

#define MAX_FETCHED (32ull << 20)         /* bytes of snapshots that are being read, and those about to be made */
#define MAX_FETCHED_PER_USER (8ull << 20) /* the last one may be larger */
#define MAX_OFFLOADS 2u                   /* snapshots made for askers by copies of us at a time */

/* --- list ---------------------------------------------------------------------------------------------------- */

/* In-use may be negative for a moment: lanes are read one after another. */
static uint64_t whole(uint64_t fixed, unsigned shift)
{
	return (int64_t)fixed > 0 ? fixed >> shift : 0;
}

/* Of a variance that a hostile program may have made anything. */
static uint64_t error_of(double variance)
{
	return variance > 0 && variance < 1e36 ? (uint64_t)sqrt(variance) : 0;
}

static void describe(const struct session_view *v, struct control_process *ret)
{
	const struct snapshot_values *t = &v->total;

	*ret = (struct control_process){
		.session = v->id,
		.pid = v->pid,
		.ppid = v->ppid,
		.uid = v->uid,
		.status = v->status,
		.ended = v->ended,
		.rate = v->rate,
		.max_depth = v->max_depth,
		.snapshots = v->snapshots,
		.elapsed_ns = v->elapsed_ns,
		.inuse_objects = whole(t->alloc_count - t->free_count, WEIGHT_COUNT_SHIFT),
		.inuse_bytes = whole(t->alloc_bytes - t->free_bytes, WEIGHT_BYTES_SHIFT),
		.inuse_bytes_error = error_of(t->var_inuse_bytes),
		.alloc_objects = whole(t->alloc_count, WEIGHT_COUNT_SHIFT),
		.alloc_bytes = whole(t->alloc_bytes, WEIGHT_BYTES_SHIFT),
		.alloc_bytes_error = error_of(t->var_alloc_bytes),
		.peak_bytes = whole(t->peak_bytes, WEIGHT_BYTES_SHIFT),
		.samples = v->audit.samples,
		.spilled = v->audit.spilled,
		.lost = v->audit.untracked + v->audit.corrupt,
	};
	snprintf(ret->exe, sizeof(ret->exe), "%.255s", v->exe);
	snprintf(ret->cmdline, sizeof(ret->cmdline), "%.255s", v->cmdline);
}

void control_note_passive(struct control *k, const struct session_view *v)
{
	struct control_process p;

	describe(v, &p);
	passive_note(&k->passive, &p, clock_read_ns(CLOCK_MONOTONIC));
}

/* What collector_each() visits, as far as one request is about it. */
struct visit {
	struct asker *asker;
	const struct control_request *request;
	struct session_view found; /* strings not valid */
	unsigned n;
	uint64_t drained; /* the session that was last */
};

static bool concerns(const struct visit *w, const struct session_view *v)
{
	const struct control_request *r = w->request;

	return viewer_may_see(&w->asker->who, v->uid) && (!r->pid || r->pid == v->pid) &&
	       (!r->session || r->session == v->id);
}

static void list_one(const struct session_view *v, void *arg)
{
	struct control_record r = { .kind = CONTROL_PROCESS };
	struct visit *w = arg;

	if (!concerns(w, v))
		return;
	describe(v, &r.process);
	asker_put(w->asker, &r);
}

static void list(struct asker *a, const struct control_request *request)
{
	struct visit w = { .asker = a, .request = request };
	struct control_record r = { .kind = CONTROL_PROCESS };
	struct passive_list *p = &a->control->passive;
	uint64_t now = clock_read_ns(CLOCK_MONOTONIC);

	/* What has happened is said, not what was read last. */
	if (a->who.sees_all)
		collector_drain_all(a->control->collector);
	else
		collector_drain_user(a->control->collector, a->who.uid);
	collector_each(a->control->collector, list_one, &w);
	for (size_t i = 0; i < p->n; i++)
		if (passive_get(p, i, now, &r.process) && viewer_may_see(&a->who, r.process.uid) &&
		    (!request->pid || request->pid == r.process.pid))
			asker_put(a, &r);
	asker_end(a, 0, "%s", "");
}

/* --- one process --------------------------------------------------------------------------------------------- */

static void find_one(const struct session_view *v, void *arg)
{
	struct visit *w = arg;

	if (v->ended || !concerns(w, v))
		return;
	w->found = *v;
	w->n++;
}

/* The living process a request names; else the answer ends. */
static bool find(struct asker *a, const struct control_request *request, struct session_view *ret)
{
	struct visit w = { .asker = a, .request = request };

	if (request->pid)
		collector_each(a->control->collector, find_one, &w);
	if (w.n == 0)
		asker_end(a, ESRCH, "no process %u is recorded here", request->pid);
	else
		*ret = w.found;
	return w.n > 0;
}

static void set(struct asker *a, const struct control_request *request)
{
	struct control_record r = { .kind = CONTROL_CHANGED };
	struct session_view v;

	if ((request->changes & CONTROL_RATE && request->rate > ABI_MAX_RATE) ||
	    (request->changes & CONTROL_DEPTH && (!request->max_depth || request->max_depth > ABI_MAX_DEPTH)) ||
	    (request->changes & CONTROL_THREADS && request->by_thread > 1) || !request->changes ||
	    request->changes & ~(CONTROL_RATE | CONTROL_DEPTH | CONTROL_THREADS)) {
		asker_end(a, EINVAL, "rate is 0 to %u bytes, max_depth 1 to %u frames, by_thread 0 or 1",
			  ABI_MAX_RATE, ABI_MAX_DEPTH);
		return;
	}
	if (!find(a, request, &v))
		return;
	r.changed = (struct control_changed){
		.session = v.id,
		.pid = v.pid,
		.old_rate = v.rate,
		.rate = request->changes & CONTROL_RATE ? request->rate : v.rate,
		.old_max_depth = v.max_depth,
		.max_depth = request->changes & CONTROL_DEPTH ? request->max_depth : v.max_depth,
		.old_by_thread = v.by_thread,
		.by_thread = request->changes & CONTROL_THREADS ? request->by_thread == 1 : v.by_thread,
	};
	collector_change(a->control->collector, v.id, r.changed.rate, r.changed.max_depth, r.changed.by_thread);
	asker_put(a, &r);
	asker_end(a, 0, "%s", "");
}

/* --- its snapshot, not on disk ------------------------------------------------------------------------------- */

/* `fd` is ours. */
static void fetched(struct asker *a, int err, int fd)
{
	struct control_record r = { .kind = CONTROL_PROFILE };
	struct stat st = { .st_size = 0 };

	a->fd = fd;
	if (!err && fstat(fd, &st))
		err = -errno;
	if (!err) {
		r.profile.size = a->size = (uint64_t)st.st_size;
		asker_put(a, &r);
	}
	asker_end(a, -err, "%s%s", err ? "cannot make a snapshot: " : "", err ? strerror(-err) : "");
}

/* Snapshots that were not taken yet are memory of ours: the next one of that user, or of anybody, waits. */
static bool is_heavy(const struct asker *asker)
{
	const struct asker *a;
	uint64_t all = 0, users = 0;

	TAILQ_FOREACH(a, &asker->control->askers, link)
	{
		all += a->size;
		users += a->who.uid == asker->who.uid ? a->size : 0;
	}
	return all > MAX_FETCHED || users > MAX_FETCHED_PER_USER;
}

static void on_made(void *arg, int result, int fd)
{
	struct asker *a = arg;

	a->offload = NULL;
	a->control->n_offloads--;
	fetched(a, result, fd);
	asker_push(a);
}

static void fetch(struct asker *a, const struct control_request *request)
{
	struct control *k = a->control;
	struct session_view v;
	void *buf = NULL;
	size_t len = 0;
	int fd = -1, r;

	if (!find(a, request, &v))
		return;
	if (is_heavy(a)) {
		a->is_waiting = true;
		return;
	}
	r = collector_encode_aside(k->collector, v.id, v.pid, k->n_offloads < MAX_OFFLOADS ? on_made : NULL, a,
				   &a->offload, &buf, &len);
	if (r == -EAGAIN) {
		a->is_waiting = true;
		return;
	}
	k->n_offloads += r == 1;
	if (r == 1)
		return;
	if (!r)
		r = memfd_with(buf, len, &fd);
	free(buf);
	fetched(a, r, fd);
}

/* --- snapshots on disk --------------------------------------------------------------------------------------- */

/* Absolute: the asker is elsewhere. */
static void put_path(const struct asker *a, const char *below, struct control_saved *s)
{
	char dir[256];

	if (!*below || collector_out_dir(a->control->collector, dir, sizeof(dir)))
		return;
	if ((size_t)snprintf(s->path, sizeof(s->path), "%s/%s", dir, below) >= sizeof(s->path))
		s->path[0] = '\0';
}

static void await_one(const struct session_view *v, void *arg)
{
	struct visit *w = arg;
	struct asker *a = w->asker;
	struct awaited *grown, one = { .session = v->id, .pid = v->pid };

	if (v->ended || !concerns(w, v))
		return;
	grown = reallocarray(a->awaited, a->n_awaited + 1, sizeof(*grown));
	if (!grown)
		return;
	a->awaited = grown;
	if (w->drained != v->id) /* once for all its processes, which come one after another */
		collector_drain_session(a->control->collector, v->id);
	w->drained = v->id;
	if (collector_snapshot(a->control->collector, v->id, v->pid, SNAPSHOT_ASKED, &one.is_behind))
		return;
	one.seq = v->snapshots + 1 + one.is_behind;
	a->awaited[a->n_awaited++] = one;
	a->n_open++;
}

static void snapshot(struct asker *a, const struct control_request *request)
{
	struct visit w = { .asker = a, .request = request };

	collector_each(a->control->collector, await_one, &w);
	if (a->n_open)
		return;
	if (request->pid)
		asker_end(a, ESRCH, "no process %u is recorded here", request->pid);
	else
		asker_end(a, ESRCH, "no program is recorded here");
}

static void saved(struct asker *a, struct awaited *w, const struct session_view *v, int error, const char *why)
{
	struct control_record r = { .kind = CONTROL_SAVED, .error = (uint32_t)error };

	r.saved.session = w->session;
	r.saved.pid = w->pid;
	if (!error)
		put_path(a, v->last_snapshot, &r.saved);
	snprintf(r.saved.why, sizeof(r.saved.why), "%.255s", why);
	asker_put(a, &r);
	w->done = true;
	if (--a->n_open == 0)
		asker_end(a, 0, "%s", "");
}

void control_awaited(struct asker *a, enum session_change what, const struct session_view *v)
{
	struct awaited *w = NULL;
	const char *last = "";

	for (size_t i = 0; i < a->n_awaited && !w; i++)
		if (a->awaited[i].session == v->id && a->awaited[i].pid == v->pid && !a->awaited[i].done)
			w = &a->awaited[i];
	if (!w)
		return;
	if (what == SESSION_SAVED && v->snapshots >= w->seq) {
		saved(a, w, v, 0, "");
	} else if (what == SESSION_SAVE_FAILED && w->is_behind) {
		w->is_behind = false; /* that was the earlier one */
		w->seq--;
	} else if (what == SESSION_SAVE_FAILED) {
		collector_errors(a->control->collector, &last);
		saved(a, w, v, EIO, last);
	} else if (what == SESSION_ENDED) {
		saved(a, w, v, ESRCH, "it ended");
	}
}

void control_answer(struct asker *a, const struct control_request *r)
{
	switch (r->verb) {
	case CONTROL_LIST:
		list(a, r);
		break;
	case CONTROL_SET:
		set(a, r);
		break;
	case CONTROL_SNAPSHOT:
		snapshot(a, r);
		break;
	case CONTROL_FETCH:
		fetch(a, r);
		break;
	default:
		asker_end(a, EPROTO, "unknown request %u", r->verb);
	}
}
