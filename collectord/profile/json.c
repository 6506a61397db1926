/* collectord/profile/json.c - see json.h.
 *
 * Written member by member: jansson only ever holds one stack or one frame, whatever the size of the profile.  A
 * NULL from jansson is "out of memory", as json_text() gives it no text it would refuse. */
#include "collectord/profile/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

#include "collectord/profile/json_parts.h"
#include "collectord/profile/snapshot.h"

struct writer {
	const struct profile *p;
	FILE *out;
	bool failed;
	bool more; /* a comma is due before the next member or element */
};

static void comma(struct writer *w)
{
	fputs(w->more ? ",\n" : "\n", w->out);
	w->more = true;
}

/* Takes `value` over. */
static void element(struct writer *w, json_t *value)
{
	comma(w);
	if (!value || json_dumpf(value, w->out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(10)))
		w->failed = true;
	json_decref(value);
}

static void key(struct writer *w, const char *name)
{
	comma(w);
	fprintf(w->out, "\"%s\":", name);
	w->more = false;
}

static void member(struct writer *w, const char *name, json_t *value)
{
	key(w, name);
	element(w, value);
}

static json_t *process(const struct snapshot *s)
{
	json_t *exit_code = json_null(), *signal = json_null();

	if (s->exit_known && WIFEXITED(s->exit_status))
		exit_code = json_integer(WEXITSTATUS(s->exit_status));
	else if (s->exit_known)
		signal = json_integer(WTERMSIG(s->exit_status));
	return json_pack("{s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o}", "pid", (json_int_t)s->pid, "ppid",
			 (json_int_t)s->ppid, "uid", (json_int_t)s->uid, "exe", json_text(s->exe), "cmdline",
			 json_text(s->cmdline), "allocator", json_text(s->allocator), "exit_code", exit_code,
			 "signal", signal);
}

static json_t *moment(const struct snapshot *s)
{
	return json_pack("{s:I,s:I,s:s,s:I,s:I,s:I,s:I}", "session", (json_int_t)s->session, "seq",
			 (json_int_t)s->seq, "reason", snapshot_reason_name(s->reason), "wall_ns",
			 (json_int_t)s->wall_ns, "elapsed_ns", json_whole(s->elapsed_ns), "peak_elapsed_ns",
			 json_whole(s->peak_elapsed_ns), "rate", (json_int_t)s->rate);
}

static json_t *audit(const struct snapshot_audit *a)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "samples", json_whole(a->samples),
			 "frees", json_whole(a->frees), "drained", json_whole(a->drained), "spilled",
			 json_whole(a->spilled), "untracked", json_whole(a->untracked), "stack_full",
			 json_whole(a->stack_full), "truncated", json_whole(a->truncated), "module_full",
			 json_whole(a->module_full), "spill_full", json_whole(a->spill_full), "corrupt",
			 json_whole(a->corrupt), "counted", json_whole(a->counted), "uncounted",
			 json_whole(a->uncounted), "own_space", json_whole(a->own_space));
}

static json_t *sample_type(const struct profile_value_type *t)
{
	return json_pack("{s:o,s:o}", "type", json_text(t->type), "unit", json_text(t->unit));
}

static json_t *mapping(const struct profile_mapping *m)
{
	return json_pack("{s:o,s:o,s:o,s:o}", "file", json_text(m->file), "build_id", json_text(m->build_id),
			 "start", json_hex(m->start), "limit", json_hex(m->limit));
}

static void put_head(struct writer *w)
{
	const struct snapshot *s = w->p->origin;

	member(w, "heaptap_json", json_integer(JSON_VERSION));
	member(w, "process", s ? process(s) : json_null());
	member(w, "snapshot", s ? moment(s) : json_null());
	member(w, "audit", s ? audit(&s->audit) : json_null());
	member(w, "time_ns", json_integer(w->p->time_nanos));
	member(w, "duration_ns", json_integer(w->p->duration_nanos));
	member(w, "period", json_integer(w->p->period));
	member(w, "total", json_totals(w->p));
	member(w, "series", s ? json_series(&s->series) : json_null());
}

static void open_array(struct writer *w, const char *name)
{
	key(w, name);
	fputc('[', w->out);
}

static void close_array(struct writer *w)
{
	fputc(']', w->out);
	w->more = true;
}

static void put_tables(struct writer *w)
{
	const struct profile *p = w->p;

	open_array(w, "sample_types");
	for (size_t i = 0; i < p->n_sample_types; i++)
		element(w, sample_type(&p->sample_types[i]));
	close_array(w);
	open_array(w, "comments");
	for (size_t i = 0; i < p->n_comments; i++)
		element(w, json_text(p->comments[i]));
	close_array(w);
	open_array(w, "modules");
	for (size_t i = 0; i < p->n_mappings; i++)
		element(w, mapping(&p->mappings[i]));
	close_array(w);
}

/* One frame per line of a location: inlined functions are frames of their own. */
static void put_frames(struct writer *w)
{
	const struct profile *p = w->p;

	open_array(w, "frames");
	for (size_t i = 0; i < p->n_locations; i++) {
		uint32_t n = p->locations[i].n_lines ? p->locations[i].n_lines : 1;

		for (uint32_t line = 0; line < n && !w->failed; line++)
			element(w, json_frame(p, &p->locations[i], line));
	}
	close_array(w);
}

static int put_stacks(struct writer *w)
{
	const struct profile *p = w->p;
	uint32_t *first = json_first_frames(p);

	if (!first)
		return -ENOMEM;
	open_array(w, "stacks");
	for (size_t i = 0; i < p->n_samples && !w->failed; i++)
		element(w, json_stack(p, &p->samples[i], first));
	close_array(w);
	free(first);
	return 0;
}

int profile_json(const struct profile *p, FILE *out)
{
	struct writer w = { .p = p, .out = out };

	fputc('{', out);
	put_head(&w);
	put_tables(&w);
	put_frames(&w);
	if (put_stacks(&w) || w.failed)
		return -ENOMEM;
	fputs("\n}\n", out);
	return 0;
}
