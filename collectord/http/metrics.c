/* collectord/http/metrics.c - see metrics.h.
 *
 * A counter that sums whoever is not among the largest would fall when one of them grows, and Prometheus takes that
 * for a restart: so counters of processes have no "other"; the totals above them have everything. */
#include "collectord/http/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/totals.h"
#include "collectord/profile/encode_frame.h"
#include "common/compiler.h"
#include "common/weight.h"

#define NAME_MAX_BYTES 64

enum metric_kind { GAUGE, COUNTER, INFO };

struct metric {
	const char *name; /* without heaptap_, and _total or _info */
	enum metric_kind kind;
	const char *unit, *help;
};

struct writer {
	FILE *out;
	enum metrics_format format;
};

enum metrics_format metrics_format_of(const char *accept)
{
	return accept && strstr(accept, "application/openmetrics-text") ? METRICS_OPENMETRICS : METRICS_TEXT;
}

const char *metrics_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
					     : "text/plain; version=0.0.4; charset=utf-8";
}

static const char *suffix_of(const struct metric *m)
{
	return m->kind == COUNTER ? "_total" : m->kind == INFO ? "_info" : "";
}

/* OpenMetrics names the family, the text format the samples; and the latter knows no info. */
static void head(const struct writer *w, const struct metric *m)
{
	static const char *const kinds[] = { [GAUGE] = "gauge", [COUNTER] = "counter", [INFO] = "info" };
	const bool is_open = w->format == METRICS_OPENMETRICS;
	const char *suffix = is_open ? "" : suffix_of(m);

	fprintf(w->out, "# HELP heaptap_%s%s %s\n", m->name, suffix, m->help);
	fprintf(w->out, "# TYPE heaptap_%s%s %s\n", m->name, suffix,
		m->kind == INFO && !is_open ? "gauge" : kinds[m->kind]);
	if (is_open && m->unit)
		fprintf(w->out, "# UNIT heaptap_%s %s\n", m->name, m->unit);
}

static void number(const struct writer *w, const struct metric *m, uint64_t value)
{
	head(w, m);
	fprintf(w->out, "heaptap_%s%s %" PRIu64 "\n", m->name, suffix_of(m), value);
}

/* --- the collector ------------------------------------------------------------------------------------------- */

#define TOTAL(field, label, type, of, text)                                           \
	{                                                                             \
		offsetof(struct collector_totals, field),                             \
		{                                                                     \
			.name = (label), .kind = (type), .unit = (of), .help = (text) \
		}                                                                     \
	}

/* clang-format off */
static const struct {
	size_t at;
	struct metric metric;
} totals[] = {
	TOTAL(processes, "processes", GAUGE, "processes", "Processes that are recorded now."),
	TOTAL(inuse_bytes, "inuse_bytes", GAUGE, "bytes", "Requested bytes of the objects in use; estimated from samples."),
	TOTAL(inuse_objects, "inuse_objects", GAUGE, "objects", "Objects in use; estimated from samples."),
	TOTAL(alloc_bytes, "allocated_bytes", COUNTER, "bytes", "Requested bytes of all objects ever; counted, behind by at most 1 MiB a thread."),
	TOTAL(alloc_objects, "allocated_objects", COUNTER, "objects", "Objects ever allocated; estimated from samples."),
	TOTAL(samples, "samples", COUNTER, "samples", "Allocations that were sampled."),
	TOTAL(frees, "sampled_frees", COUNTER, "frees", "Frees of sampled objects."),
	TOTAL(drained, "drained_events", COUNTER, "events", "Events read from lanes."),
	TOTAL(spilled, "spilled_events", COUNTER, "events", "Events that came through spill counters: totals are right, their times are lost."),
	TOTAL(untracked, "lost_samples", COUNTER, "samples", "Sampled allocations that were not recorded: live table full."),
	TOTAL(corrupt, "refused_events", COUNTER, "events", "Events that made no sense."),
	TOTAL(stack_full, "unstored_stacks", COUNTER, "stacks", "Samples whose stack found no room."),
	TOTAL(truncated, "truncated_stacks", COUNTER, "stacks", "Stacks that ended early."),
	TOTAL(snapshots, "snapshots", COUNTER, "snapshots", "Snapshots written."),
	TOTAL(ended, "ended_processes", COUNTER, "processes", "Recorded processes that have ended."),
};

static const struct metric
	info = { "collector", INFO, NULL, "This collector." },
	sessions = { "sessions", GAUGE, "sessions", "Executed programs that are recorded now, each with the children it forked." },
	lag = { "drain_lag_seconds", GAUGE, "seconds", "Longest time since the events of a session were last read to the end." },
	session_limit = { "session_limit", GAUGE, NULL, "Sessions this collector takes at a time." },
	turned_away = { "turned_away_connections", COUNTER, "connections",
			"Connections closed unheard: too many of their user waited." },
	refused = { "refused_programs", COUNTER, "programs", "Programs that were not recorded: they met a limit." },
	errors = { "snapshot_errors", COUNTER, "errors", "Snapshots that could not be written." },
	log_lines = { "log_dropped_lines", COUNTER, "lines", "Lines the log left out: there were too many of a kind." };
/* clang-format on */

static void put_totals(const struct writer *w, const struct metrics_source *s)
{
	struct collector_totals t;
	uint64_t n;

	collector_totals(s->collector, s->who, &t, &n);
	number(w, &sessions, n);
	for (size_t i = 0; i < ARRAY_SIZE(totals); i++)
		number(w, &totals[i].metric, *(const uint64_t *)((const char *)&t + totals[i].at));
	head(w, &lag);
	fprintf(w->out, "heaptap_%s %.6f\n", lag.name, (double)collector_lag_ns(s->collector, s->who) / 1e9);
}

/* What is nobody's own is for those who see all. */
static void put_collector(const struct writer *w, const struct metrics_source *s)
{
	struct collector_counts counts;
	const char *last;

	head(w, &info);
	fprintf(w->out, "heaptap_%s_info{version=\"%s\",io_backend=\"%s\"} 1\n", info.name, HEAPTAP_VERSION,
		s->io_backend);
	if (!s->who->sees_all)
		return;
	collector_counts(s->collector, &counts);
	number(w, &session_limit, counts.max_sessions);
	number(w, &refused, counts.refused);
	number(w, &turned_away, counts.turned_away);
	number(w, &errors, collector_errors(s->collector, &last));
	if (s->log_dropped)
		number(w, &log_lines, s->log_dropped());
}

/* --- processes ----------------------------------------------------------------------------------------------- */

struct shown {
	uint64_t session;
	uint32_t pid, uid, rate;
	uint64_t peak_bytes;
	struct collector_totals t;
	char name[NAME_MAX_BYTES];
};

/* The largest, largest first; what the others have in use. */
struct ranking {
	const struct viewer *who;
	struct shown top[METRICS_PROCESSES];
	uint32_t n;
	uint64_t other_bytes, other_objects;
};

static void leave_out(struct ranking *r, const struct shown *p)
{
	r->other_bytes += p->t.inuse_bytes;
	r->other_objects += p->t.inuse_objects;
}

/* Older sessions first among equals: who is shown does not change for nothing. */
static bool goes_before(const struct shown *a, const struct shown *b)
{
	if (a->t.inuse_bytes != b->t.inuse_bytes)
		return a->t.inuse_bytes > b->t.inuse_bytes;
	return a->session != b->session ? a->session < b->session : a->pid < b->pid;
}

static void rank(struct ranking *r, const struct shown *p)
{
	uint32_t at = r->n;

	while (at > 0 && goes_before(p, &r->top[at - 1]))
		at--;
	if (at == METRICS_PROCESSES) {
		leave_out(r, p);
		return;
	}
	if (r->n == METRICS_PROCESSES)
		leave_out(r, &r->top[--r->n]);
	memmove(&r->top[at + 1], &r->top[at], (r->n - at) * sizeof(*r->top));
	r->top[at] = *p;
	r->n++;
}

static void visit(const struct session_view *v, void *arg)
{
	const char *slash = strrchr(v->exe, '/');
	struct ranking *r = arg;
	struct shown p = { .session = v->id, .pid = v->pid, .uid = v->uid, .rate = v->rate };

	if (v->ended || !viewer_may_see(r->who, v->uid))
		return;
	totals_of(v, &p.t);
	p.peak_bytes = v->total.peak_bytes >> WEIGHT_BYTES_SHIFT;
	snprintf(p.name, sizeof(p.name), "%.*s", NAME_MAX_BYTES - 1, slash ? slash + 1 : v->exe);
	rank(r, &p);
}

void metrics_label(const char *text, FILE *out)
{
	char *line = NULL;
	size_t len;
	FILE *mem = open_memstream(&line, &len);

	if (!mem)
		return;
	encode_line(text, "", mem);
	if (fclose(mem) == 0)
		for (const char *c = line; *c; c++) {
			if (*c == '\\' || *c == '"')
				putc('\\', out);
			putc(*c, out);
		}
	free(line);
}

static void put_process(const struct writer *w, const struct metric *m, const struct shown *p, uint64_t value)
{
	fprintf(w->out, "heaptap_%s%s{session=\"%" PRIu64 "\",pid=\"%u\",uid=\"%u\",comm=\"", m->name, suffix_of(m),
		p->session, p->pid, p->uid);
	metrics_label(p->name, w->out);
	fprintf(w->out, "\"} %" PRIu64 "\n", value);
}

static uint64_t inuse_bytes(const struct shown *p)
{
	return p->t.inuse_bytes;
}

static uint64_t inuse_objects(const struct shown *p)
{
	return p->t.inuse_objects;
}

static uint64_t peak_bytes(const struct shown *p)
{
	return p->peak_bytes;
}

static uint64_t interval(const struct shown *p)
{
	return p->rate;
}

static uint64_t alloc_bytes(const struct shown *p)
{
	return p->t.alloc_bytes;
}

static uint64_t alloc_objects(const struct shown *p)
{
	return p->t.alloc_objects;
}

static uint64_t samples(const struct shown *p)
{
	return p->t.samples;
}

static uint64_t spilled(const struct shown *p)
{
	return p->t.spilled;
}

/* clang-format off */
static const struct {
	struct metric metric;
	uint64_t (*of)(const struct shown *p);
} of_process[] = {
	{ { "process_inuse_bytes", GAUGE, "bytes", "Requested bytes of a process's objects in use; estimated." }, inuse_bytes },
	{ { "process_inuse_objects", GAUGE, "objects", "A process's objects in use; estimated." }, inuse_objects },
	{ { "process_peak_inuse_bytes", GAUGE, "bytes", "The most bytes of objects that were in use at a time; estimated." }, peak_bytes },
	{ { "process_sampling_interval_bytes", GAUGE, "bytes", "Bytes from one sample to the next on average; 1: every allocation, 0: none." }, interval },
	{ { "process_allocated_bytes", COUNTER, "bytes", "Requested bytes of all objects ever; counted, behind by at most 1 MiB a thread." }, alloc_bytes },
	{ { "process_allocated_objects", COUNTER, "objects", "Objects ever allocated; estimated." }, alloc_objects },
	{ { "process_samples", COUNTER, "samples", "Allocations that were sampled." }, samples },
	{ { "process_spilled_events", COUNTER, "events", "Events that came through spill counters." }, spilled },
};
/* clang-format on */

static void put_other(const struct writer *w, const struct metric *m, uint64_t value)
{
	fprintf(w->out, "heaptap_%s{pid=\"other\"} %" PRIu64 "\n", m->name, value);
}

static void put_processes(const struct writer *w, const struct metrics_source *s)
{
	struct ranking r = { .who = s->who };

	collector_each(s->collector, visit, &r);
	for (size_t i = 0; i < ARRAY_SIZE(of_process); i++) {
		const struct metric *m = &of_process[i].metric;

		head(w, m);
		for (uint32_t k = 0; k < r.n; k++)
			put_process(w, m, &r.top[k], of_process[i].of(&r.top[k]));
		if (of_process[i].of == inuse_bytes)
			put_other(w, m, r.other_bytes);
		if (of_process[i].of == inuse_objects)
			put_other(w, m, r.other_objects);
	}
}

void metrics_write(const struct metrics_source *s, enum metrics_format format, FILE *out)
{
	const struct writer w = { .out = out, .format = format };

	put_collector(&w, s);
	put_totals(&w, s);
	put_processes(&w, s);
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
}
