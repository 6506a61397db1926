/* collectord/http/task.c - from snapshots to the bytes of an answer; see task.h.
 *
 * Runs in a worker, one thread, once.  Snapshots hold what a hostile program wrote; the decoder checks them. */
#include "collectord/http/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/http/task_symbol.h"
#include "collectord/profile/convert.h"
#include "collectord/profile/encode.h"
#include "collectord/profile/merge.h"
#include "collectord/profile/pprof.h"
#include "collectord/profile/pprof_limit.h"
#include "collectord/profile/symbolize.h"

/* --- the profile --------------------------------------------------------------------------------------------- */

static int load(const struct task *t, const struct task_parts *parts, enum task_part which, struct profile **ret,
		struct fault *f)
{
	struct snapshot *s = NULL;
	int r = snapshot_decode(parts->at[which], t->len[which], &s, f);

	if (!r)
		r = profile_from_snapshot(s, t->flags & TASK_PEAK ? CONVERT_PEAK : CONVERT_NOW, ret, f);
	snapshot_free(s);
	return r;
}

/* *p - before, of the time between them. */
static int subtract(struct profile **p, struct profile *before, struct fault *f)
{
	double minus[PROFILE_HEAP_TYPES] = { -1, -1, -1, -1 };
	const int64_t time = (*p)->time_nanos, since = before->time_nanos;
	struct profile *merged = NULL;
	int r;

	profile_scale(before, minus);
	r = profile_merge((struct profile *[]){ *p, before }, 2, &merged, f);
	if (r)
		return r;
	merged->time_nanos = time;
	merged->duration_nanos = time - since;
	profile_free(*p);
	*p = merged;
	return 0;
}

static int load_difference(const struct task *t, const struct task_parts *parts, struct profile **ret,
			   struct fault *f)
{
	struct profile *before = NULL;
	int r = load(t, parts, TASK_SNAPSHOT, ret, f);

	if (!r && t->len[TASK_BEFORE]) {
		r = load(t, parts, TASK_BEFORE, &before, f);
		if (!r)
			r = subtract(ret, before, f);
		profile_free(before);
	}
	return r;
}

/* The client asks no more for names: all that can be known is in the profile. */
static void finish_names(struct profile *p)
{
	for (size_t i = 0; i < p->n_mappings; i++) {
		struct profile_mapping *m = &p->mappings[i];

		m->has_functions = m->has_filenames = m->has_line_numbers = m->has_inline_frames = true;
	}
}

static int limit(struct profile **p, struct fault *f)
{
	struct profile *limited = NULL;
	size_t merged;
	int r = pprof_limit(*p, &limited, &merged, f);

	if (r)
		return r;
	profile_free(*p);
	*p = limited;
	return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------- */

static int put_pprof(const struct profile *p, FILE *out)
{
	void *buf = NULL;
	size_t len = 0;
	int r = pprof_encode(p, &buf, &len);

	if (!r && fwrite(buf, 1, len, out) != len)
		r = -EIO;
	free(buf);
	return r;
}

static int put_gotext(const struct profile *p, const struct procmem *memory, FILE *out, struct fault *f)
{
	struct memstats m;

	memstats_of(p, &m);
	procmem_fill(memory, p, &m);
	return gotext_encode(p, &m, out, f);
}

static int put_profile(const struct task *t, const struct procmem *memory, struct profile *p, FILE *out,
		       struct fault *f)
{
	switch ((enum task_kind)t->kind) {
	case TASK_PPROF:
		finish_names(p);
		if (t->flags & TASK_ALLOCATED)
			p->default_sample_type = p->sample_types[PROFILE_ALLOC_SPACE].type;
		return put_pprof(p, out);
	case TASK_GOTEXT:
		return put_gotext(p, memory, out, f);
	case TASK_HEAPTEXT:
		return heaptext_encode(p, out, f);
	default:
		return -EINVAL;
	}
}

static int make_profile(const struct task *t, const struct task_parts *parts, FILE *out, struct fault *f)
{
	struct profile *p = NULL;
	int r = load_difference(t, parts, &p, f);

	if (!r && t->flags & TASK_NAMES && t->kind != TASK_HEAPTEXT)
		r = profile_symbolize(p, &(struct symbolize_options){ .cache = parts->cache }, NULL);
	if (!r && t->flags & TASK_LIMIT)
		r = limit(&p, f);
	if (!r)
		r = put_profile(t, parts->memory, p, out, f);
	profile_free(p);
	return r;
}

/* argv as the process has it, without the NULs behind it (those of a program that wrote a title over it, too); else
 * what it said when it attached, whose words blanks separate. */
static int make_cmdline(const struct task *t, const struct task_parts *parts, FILE *out, struct fault *f)
{
	char path[32], buf[4096];
	struct snapshot *s = NULL;
	size_t nuls = 0;
	ssize_t n = 0;
	int fd, r = 0;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", t->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (!buf[i]) {
				nuls++;
				continue;
			}
			for (; nuls; nuls--)
				putc('\0', out);
			putc(buf[i], out);
		}
	if (fd >= 0)
		close(fd);
	if (ftell(out) > 0)
		return 0;
	r = snapshot_decode(parts->at[TASK_SNAPSHOT], t->len[TASK_SNAPSHOT], &s, f);
	for (const char *c = r ? "" : s->cmdline; *c; c++)
		putc(*c == ' ' ? '\0' : *c, out);
	snapshot_free(s);
	return r;
}

int task_perform(const struct task *t, const struct task_parts *parts, FILE *out, struct fault *f)
{
	if (t->kind == TASK_SYMBOL)
		return task_symbol(t, parts, out, f);
	if (t->kind == TASK_CMDLINE)
		return make_cmdline(t, parts, out, f);
	return make_profile(t, parts, out, f);
}
