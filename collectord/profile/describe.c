/* collectord/profile/describe.c - see describe.h. */
#include "collectord/profile/describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

int profile_describe_snapshot(struct profile *p, const struct snapshot *s)
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
