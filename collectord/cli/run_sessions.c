/* collectord/cli/run_sessions.c - what the collector told about each traced process of the run. */
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/run.h"
#include "common/handshake.h"
#include "common/weight.h"

double values_bytes_in_use(const struct snapshot_values *v)
{
	int64_t fixed = (int64_t)(v->alloc_bytes - v->free_bytes); /* modulo 2^64, may be negative for a moment */

	return fixed > 0 ? (double)fixed / (1 << WEIGHT_BYTES_SHIFT) : 0;
}

double values_bytes_peak(const struct snapshot_values *v)
{
	return (double)v->peak_bytes / (1 << WEIGHT_BYTES_SHIFT);
}

bool peak_says_more(const struct snapshot_values *v)
{
	return values_bytes_in_use(v) * 10 < values_bytes_peak(v);
}

void sessions_done(struct run_sessions *s)
{
	free(s->list);
	*s = (struct run_sessions){ 0 };
}

static struct run_session *find_or_add(struct run_sessions *s, const struct session_view *v)
{
	struct run_session *list = s->list;

	for (size_t i = s->n; i-- > 0;)
		if (list[i].id == v->id && list[i].pid == v->pid && list[i].number == v->number)
			return &list[i];
	if (s->n == s->room) {
		list = reallocarray(list, s->room ? 2 * s->room : 16, sizeof(*list));
		if (!list)
			return NULL;
		s->list = list;
		s->room = s->room ? 2 * s->room : 16;
	}
	list[s->n] = (struct run_session){ .id = v->id, .pid = v->pid, .ppid = v->ppid, .number = v->number };
	return &list[s->n++];
}

void sessions_note(struct run_sessions *s, enum session_change what, const struct session_view *v)
{
	struct run_session *r = find_or_add(s, v);

	if (!r) {
		s->out_of_memory = true;
		return;
	}
	dirs_sanitize(v->exe && *v->exe ? v->exe : "unknown", r->name, sizeof(r->name));
	snprintf(r->last, sizeof(r->last), "%s", v->last_snapshot ? v->last_snapshot : "");
	if (v->status == HELLO_BEHIND_ANOTHER && v->allocator)
		dirs_sanitize(v->allocator, r->front, sizeof(r->front));
	r->status = v->status;
	r->rate = v->rate;
	r->rate_changed = v->rate_changed;
	r->snapshots = v->snapshots;
	r->elapsed_ns = v->elapsed_ns;
	r->total = v->total;
	r->audit = v->audit;
	if (s->unrecorded < v->unrecorded)
		s->unrecorded = v->unrecorded;
	r->done |= what == SESSION_ENDED || what == SESSION_PASSIVE;
}

bool sessions_main_changed(const struct run_sessions *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->list[i].pid == (uint32_t)s->main_pid && s->list[i].number == 0;
	return n > 1;
}

const struct run_session *sessions_main(const struct run_sessions *s)
{
	const struct run_session *passive = NULL;

	for (size_t i = s->n; i-- > 0;) {
		const struct run_session *r = &s->list[i];

		if (r->pid != (uint32_t)s->main_pid || r->number)
			continue;
		if (r->status == HELLO_ACTIVE)
			return r;
		if (!passive)
			passive = r;
	}
	return passive;
}
