/* collectord/cli/run_numbers.c - the numbers of one process at the end of a run, as lines for people.
 *
 * Sampled numbers carry their 95 % error; exact ones (-r 1) have none. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "collectord/cli/run.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "collectord/profile/profile.h"
#include "common/weight.h"

#define LINE_COLUMNS 100

/* "12.3 MB", or "12.3 MB ± 1.2 MB". */
struct estimate {
	char text[2 * SIZE_TEXT_MAX + 8];
};

static const char *with_error(struct estimate *e, const char *(*text)(char *, double), double value,
			      double variance)
{
	char v[SIZE_TEXT_MAX], s[SIZE_TEXT_MAX];

	text(v, value);
	if (variance > 0)
		snprintf(e->text, sizeof(e->text), "%s \xc2\xb1 %s", v, text(s, profile_error_95(variance)));
	else
		snprintf(e->text, sizeof(e->text), "%s", v);
	return e->text;
}

/* How the program ended, if not well: ", killed by SIGKILL", ", exit status 3", "". */
static const char *ending(int status, char *buf, size_t size)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (name)
		snprintf(buf, size, ", killed by SIG%s", name);
	else if (WIFSIGNALED(status))
		snprintf(buf, size, ", killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(buf, size, ", exit status %d", WEXITSTATUS(status));
	else
		*buf = '\0';
	return buf;
}

/* What to call it: as it was called, or by what it became. */
static const char *main_name(const struct run_end *e, const struct run_session *m)
{
	return sessions_main_changed(e->sessions) ? m->name : e->program;
}

static int columns(const char *utf8)
{
	int n = 0;

	for (; *utf8; utf8++)
		n += ((unsigned char)*utf8 & 0xc0) != 0x80;
	return n;
}

static void say_numbers(const struct run_end *e, const struct run_session *m, const char *peak_when)
{
	const struct snapshot_values *v = &m->total;
	struct estimate now, top, bytes, count;
	char ran[SIZE_TEXT_MAX], end[64], in_use[512], allocated[256];

	snprintf(in_use, sizeof(in_use), "%s (pid %d) ran %s%s: in use %s at the end, %s at peak%s",
		 main_name(e, m), (int)e->pid, time_text(ran, e->ran_ns), ending(e->status, end, sizeof(end)),
		 with_error(&now, size_text, values_bytes_in_use(v), v->var_inuse_bytes),
		 with_error(&top, size_text, values_bytes_peak(v), v->var_peak_bytes), peak_when);
	with_error(&count, count_text, (double)v->alloc_count / (1 << WEIGHT_COUNT_SHIFT), v->var_alloc_count);
	snprintf(allocated, sizeof(allocated), "%s allocated in %s allocation%s",
		 with_error(&bytes, size_text, (double)v->alloc_bytes / (1 << WEIGHT_BYTES_SHIFT),
			    v->var_alloc_bytes),
		 count.text, strcmp(count.text, "1") ? "s" : "");
	if (columns(in_use) + columns(allocated) <= LINE_COLUMNS) {
		say("%s, %s", in_use, allocated);
	} else {
		say("%s", in_use);
		say("%s", allocated);
	}
}

static void say_audit(const struct run_session *m)
{
	const struct snapshot_audit *a = &m->audit;
	const char *plural = a->samples == 1 ? "" : "s";
	unsigned long long samples = a->samples, lost = a->untracked + a->corrupt;
	char rate[SIZE_TEXT_MAX], truncated[64] = "";

	if (a->truncated)
		snprintf(truncated, sizeof(truncated), ", %llu stack%s incomplete",
			 (unsigned long long)a->truncated, a->truncated == 1 ? "" : "s");
	if (m->rate_changed)
		say("%llu sample%s at rates that changed meanwhile, %s at the end; %llu lost%s", samples, plural,
		    m->rate ? size_text(rate, m->rate) : "off", lost, truncated);
	else if (m->rate == 1)
		say("%llu allocation%s recorded, every one; %llu lost%s", samples, plural, lost, truncated);
	else
		say("%llu sample%s at %s, %llu lost%s", samples, plural, size_text(rate, m->rate), lost, truncated);
	if (a->spilled)
		say("the program was too fast for heaptap at times: %llu event%s counted without the moment; "
		    "totals "
		    "are right, the peak is approximate",
		    (unsigned long long)a->spilled, a->spilled == 1 ? " was" : "s were");
}

void numbers_say(const struct run_end *e, const struct run_session *m, const struct snapshot *s)
{
	char ran[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX], when[SIZE_TEXT_MAX], peak_when[SIZE_TEXT_MAX + 8] = "",
												     end[64];

	if (m->rate > 1 && !m->rate_changed && !m->audit.samples) {
		say("%s (pid %d) ran %s%s; it allocated too little for one sample at %s; use -r 1 for every "
		    "allocation",
		    main_name(e, m), (int)e->pid, time_text(ran, e->ran_ns), ending(e->status, end, sizeof(end)),
		    size_text(rate, m->rate));
		return;
	}
	if (s && s->total.peak_bytes == m->total.peak_bytes) /* else the one we have was taken before the peak */
		snprintf(peak_when, sizeof(peak_when), " (%s)", time_text(when, s->peak_elapsed_ns));
	say_numbers(e, m, peak_when);
	if (m->audit.samples || m->audit.untracked || m->audit.corrupt)
		say_audit(m);
}

void numbers_say_unrecorded(const struct run_end *e, const char *why)
{
	char end[64];

	say("%s (pid %d)%s: nothing was recorded: %s", e->program, (int)e->pid, ending(e->status, end, sizeof(end)),
	    why);
}

void numbers_advise(const struct run_session *shown)
{
	double error = profile_error_95(shown->total.var_peak_bytes);
	uint32_t finer = shown->rate / 16;
	bool in_k = finer % 1024 == 0;

	if (4 * error <= values_bytes_peak(&shown->total)) /* the interval: 2 * error */
		return;
	if (finer < 512)
		say("few samples say little: for a small program use -r 1, every allocation");
	else
		say("few samples say little: for a small program use a smaller rate, -r %u%s, or -r 1 for every "
		    "allocation",
		    in_k ? finer / 1024 : finer, in_k ? "K" : "");
}
