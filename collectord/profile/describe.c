/* collectord/profile/describe.c - see describe.h. */
#include "collectord/profile/describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COMMENTS 16

static int comment(struct profile *p, const char *fmt, ...) PRINTF(2, 3);

static int comment(struct profile *p, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	p->comments[p->n_comments] = profile_string(p, text);
	free(text);
	return p->comments[p->n_comments++] ? 0 : -ENOMEM;
}

static int describe_process(struct profile *p, const struct snapshot *s)
{
	int r = comment(p,
			"# heaptap snapshot %" PRIu32 " (%s) of process %" PRIu32 ", sampling interval %" PRIu32
			" bytes",
			s->seq, snapshot_reason_name(s->reason), s->pid, s->rate);

	if (!r && s->cmdline[0])
		r = comment(p, "# command: %s", s->cmdline);
	if (!r && s->allocator[0])
		r = comment(p, "# allocator: %s", s->allocator);
	return r;
}

static int describe_audit(struct profile *p, const struct snapshot_audit *a)
{
	return comment(p,
		       "# audit: samples %" PRIu64 ", frees %" PRIu64 ", drained %" PRIu64 ", spilled %" PRIu64
		       ", untracked %" PRIu64 ", without stack %" PRIu64 ", stacks cut short %" PRIu64
		       ", modules unknown %" PRIu64 ", spill table full %" PRIu64 ", corrupt %" PRIu64,
		       a->samples, a->frees, a->drained, a->spilled, a->untracked, a->stack_full, a->truncated,
		       a->module_full, a->spill_full, a->corrupt);
}

static int describe_losses(struct profile *p, const struct snapshot_audit *a)
{
	int r = 0;

	if (a->untracked)
		r = comment(p, "heaptap: %" PRIu64 " sampled allocations were not recorded (live table full)",
			    a->untracked);
	if (!r && a->corrupt)
		r = comment(p, "heaptap: %" PRIu64 " records were damaged and left out", a->corrupt);
	return r;
}

static int set_comments(struct profile *p, const struct snapshot *s)
{
	int r;

	p->comments = profile_alloc(p, MAX_COMMENTS, sizeof(*p->comments));
	p->n_comments = 0;
	if (!p->comments)
		return -ENOMEM;
	r = describe_losses(p, &s->audit);
	if (!r)
		r = describe_process(p, s);
	return r ? r : describe_audit(p, &s->audit);
}

static const struct snapshot *copy_origin(struct profile *p, const struct snapshot *s)
{
	struct snapshot *o = profile_alloc(p, 1, sizeof(*o));
	struct snapshot_point *points = profile_alloc(p, s->series.n_points, sizeof(*points));

	if (!o || !points)
		return NULL;
	*o = *s;
	o->modules = NULL;
	o->stacks = NULL;
	o->threads = NULL;
	o->n_modules = o->n_stacks = o->n_threads = 0;
	o->exe = (char *)profile_string(p, s->exe);
	o->cmdline = (char *)profile_string(p, s->cmdline);
	o->allocator = (char *)profile_string(p, s->allocator);
	o->series.points = points;
	if (s->series.n_points)
		memcpy(points, s->series.points, s->series.n_points * sizeof(*points));
	return o->exe && o->cmdline && o->allocator ? o : NULL;
}

int profile_describe_head(struct profile *p, const struct snapshot *s)
{
	static const char *const types[PROFILE_HEAP_TYPES][2] = {
		[PROFILE_ALLOC_OBJECTS] = { "alloc_objects", "count" },
		[PROFILE_ALLOC_SPACE] = { "alloc_space", "bytes" },
		[PROFILE_INUSE_OBJECTS] = { "inuse_objects", "count" },
		[PROFILE_INUSE_SPACE] = { "inuse_space", "bytes" },
	};

	for (size_t i = 0; i < PROFILE_HEAP_TYPES; i++)
		if (profile_add_sample_type(p, types[i][0], types[i][1]) == PROFILE_NONE)
			return -ENOMEM;
	p->period_type = (struct profile_value_type){ profile_string(p, "space"), profile_string(p, "bytes") };
	p->default_sample_type = profile_string(p, "inuse_space");
	if (!p->period_type.type || !p->period_type.unit || !p->default_sample_type)
		return -ENOMEM;
	p->period = s->rate;
	p->process = (struct profile_process){ s->pid, s->uid, s->reason == SNAPSHOT_EXIT };
	p->time_nanos = s->wall_ns;
	p->duration_nanos = s->elapsed_ns <= INT64_MAX ? (int64_t)s->elapsed_ns : 0;
	p->origin = copy_origin(p, s);
	return p->origin ? set_comments(p, s) : -ENOMEM;
}
