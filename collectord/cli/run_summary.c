/* collectord/cli/run_summary.c - what `heaptap run` says when the program has ended: a short answer on stderr.
 *
 * Sampled numbers carry their 95 % error.  That of the peak is an upper bound, sqrt(T x bytes): the variance of one
 * sampled object is never more than T times its size. */
#include <errno.h>
#include <math.h>

#include <stdlib.h>
#include <string.h>

#include "collectord/cli/run.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "common/handshake.h"
#include "common/weight.h"

#define FEW_SAMPLES 20
#define OTHERS_SHOWN 5

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
		snprintf(e->text, sizeof(e->text), "%s \xc2\xb1 %s", v, text(s, ERROR_95 * sqrt(variance)));
	else
		snprintf(e->text, sizeof(e->text), "%s", v);
	return e->text;
}

/* --- the program itself ------------------------------------------------------------------------------ */

/* What to call it: as it was called, or by what it became. */
static const char *main_name(const struct run_end *e, const struct run_session *m)
{
	return sessions_main_changed(e->sessions) ? m->name : e->program;
}

static void print_nothing_sampled(const struct run_end *e, const struct run_session *m)
{
	char ran[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX];

	say("%s (pid %d) ran %s and allocated too little for one sample at %s; use -r 1 for every allocation",
	    main_name(e, m), (int)e->pid, time_text(ran, e->ran_ns), size_text(rate, m->rate));
}

static void print_numbers(const struct run_end *e, const struct run_session *m, const struct snapshot *s)
{
	const struct snapshot_values *v = &m->total;
	double peak = values_bytes_peak(v);
	struct estimate now, top, bytes, count;
	char ran[SIZE_TEXT_MAX], when[SIZE_TEXT_MAX] = "";

	say("%s (pid %d) ran %s: in use %s at the end, %s at peak%s%s%s, %s allocated in %s allocations",
	    main_name(e, m), (int)e->pid, time_text(ran, e->ran_ns),
	    with_error(&now, size_text, values_bytes_in_use(v), v->var_inuse_bytes),
	    with_error(&top, size_text, peak, m->rate > 1 ? peak * m->rate : 0), s ? " (" : "",
	    s ? time_text(when, s->peak_elapsed_ns) : "", s ? ")" : "",
	    with_error(&bytes, size_text, (double)v->alloc_bytes / (1 << WEIGHT_BYTES_SHIFT), v->var_alloc_bytes),
	    with_error(&count, count_text, (double)v->alloc_count / (1 << WEIGHT_COUNT_SHIFT), v->var_alloc_count));
}

static void print_audit(const struct run_session *m)
{
	const struct snapshot_audit *a = &m->audit;
	unsigned long long lost = a->untracked + a->corrupt;
	char rate[SIZE_TEXT_MAX], spilled[64] = "", truncated[64] = "";

	if (a->spilled)
		snprintf(spilled, sizeof(spilled), ", %llu spilled (totals right, times coarse)",
			 (unsigned long long)a->spilled);
	if (a->truncated)
		snprintf(truncated, sizeof(truncated), ", %llu stacks incomplete",
			 (unsigned long long)a->truncated);
	if (m->rate == 1)
		say("%llu allocations recorded, every one; %llu lost%s%s", (unsigned long long)a->samples, lost,
		    spilled, truncated);
	else
		say("%llu sample%s at %s, %llu lost%s%s", (unsigned long long)a->samples,
		    a->samples == 1 ? "" : "s", size_text(rate, m->rate), lost, spilled, truncated);
	if (m->rate > 1 && a->samples && a->samples < FEW_SAMPLES)
		say("few samples say little: for a small program use a smaller rate, -r 4K, or -r 1 for every "
		    "allocation");
}

static const char *why_passive(uint32_t status)
{
	switch (status) {
	case HELLO_EXE_DEFINES_MALLOC:
		return "it brings its own malloc, which never calls the one heaptap watches";
	case HELLO_MIXED_ALLOCATORS:
		return "its malloc family comes from several libraries";
	case HELLO_SANITIZER:
		return "a sanitizer owns its malloc";
	default:
		return NULL;
	}
}

/* Nothing came from the program: say why, as far as we know. */
static void print_unrecorded(const struct run_end *e, const struct run_session *m)
{
	const char *why = m ? why_passive(m->status) : e->target->unsuited;

	if (!why)
		why = "it never met heaptap; it may clear LD_PRELOAD, or run as another user";
	say("%s (pid %d): nothing was recorded: %s", e->program, (int)e->pid, why);
}

static void print_main(const struct run_end *e, const struct run_session *m)
{
	struct snapshot *s = NULL;
	struct fault f = { "" };
	char *path = NULL;

	if (m->last[0] && asprintf(&path, "%s/%s", e->out_dir, m->last) < 0)
		path = NULL;
	if (path && snapshot_read_file(path, &s, &f))
		say_fault(&f, EXIT_FAULT);
	free(path);
	if (m->rate > 1 && !m->audit.samples)
		print_nothing_sampled(e, m);
	else
		print_numbers(e, m, s);
	if (m->audit.samples || m->audit.untracked || m->audit.corrupt)
		print_audit(m);
	if (s)
		stacks_print(s);
	snapshot_free(s);
}

/* --- other processes --------------------------------------------------------------------------------- */

static int by_peak(const void *pa, const void *pb)
{
	const struct run_session *a = *(const struct run_session *const *)pa;
	const struct run_session *b = *(const struct run_session *const *)pb;
	double x = values_bytes_peak(&a->total), y = values_bytes_peak(&b->total);

	if (x != y)
		return x > y ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static void print_other(const struct run_end *e, const struct run_session *o)
{
	char peak[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX], where[2 * PATH_MAX];
	const char *slash = strrchr(o->last, '/'); /* last: DIR/FILE, or FILE where pid is the program's own */
	bool lives = strstr(o->last, "-asked" SNAPSHOT_SUFFIX); /* when the collector shut down */

	if (!o->last[0])
		snprintf(where, sizeof(where), "; nothing was saved");
	else
		snprintf(where, sizeof(where), ", in %s%s%.*s", e->out_dir, slash ? "/" : "",
			 (int)(slash ? slash - o->last : 0), o->last);
	say("  %s (pid %u): peak %s, allocated %s%s%s", o->name, o->pid,
	    size_text(peak, values_bytes_peak(&o->total)),
	    size_text(all, (double)o->total.alloc_bytes / (1 << WEIGHT_BYTES_SHIFT)), where,
	    lives ? "; it still runs, no longer recorded" : "");
}

static void print_others(const struct run_end *e, const struct run_session *m)
{
	const struct run_sessions *all = e->sessions;
	const struct run_session **list = calloc(all->n + 1, sizeof(const struct run_session *));
	size_t n = 0, shown = 0;

	for (size_t i = 0; list && i < all->n; i++)
		if (&all->list[i] != m && all->list[i].status == HELLO_ACTIVE)
			list[n++] = &all->list[i];
	qsort(list, n, sizeof(*list), by_peak);
	for (; shown < n && shown < OTHERS_SHOWN && values_bytes_peak(&list[shown]->total) > 0; shown++) {
		if (!shown)
			say("other programs of this run, by peak:");
		print_other(e, list[shown]);
	}
	if (n > shown)
		say(shown ? "  and %zu more" : "other programs of this run: %zu, too small for a sample",
		    n - shown);
	free(list);
}

/* --- where to look further --------------------------------------------------------------------------- */

/* The saved session with the highest peak: what the user will want to see. */
static const struct run_session *biggest_saved(const struct run_sessions *s)
{
	const struct run_session *best = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].last[0] &&
		    (!best || values_bytes_peak(&s->list[i].total) > values_bytes_peak(&best->total)))
			best = &s->list[i];
	return best;
}

/* A word for the shell: quoted if it has to be. */
static const char *quoted(const char *word, char *buf, size_t size)
{
	size_t n = 0;

	if (word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-/@%=:,")] == '\0')
		return word;
	buf[n++] = '\'';
	for (; *word && n + 6 < size; word++)
		n += *word == '\'' ? (size_t)sprintf(buf + n, "'\\''") : (size_t)sprintf(buf + n, "%c", *word);
	strcpy(buf + n, "'");
	return buf;
}

static void print_further(const struct run_end *e)
{
	const struct run_session *best = biggest_saved(e->sessions);
	char self[PATH_MAX], dir[PATH_MAX], path[2 * PATH_MAX];

	if (best) {
		const char *slash = strrchr(best->last, '/');

		snprintf(path, sizeof(path), "%s%.*s%.*s", e->out_dir, !!slash, "/",
			 (int)(slash ? slash - best->last : 0), best->last);
		say("look further: %s top %s%s", quoted(program_invocation_name, self, sizeof(self)),
		    peak_says_more(&best->total) ? "-peak " : "", quoted(path, dir, sizeof(dir)));
	}
	if (e->errors)
		say("writing snapshots failed %llu times: %s", (unsigned long long)e->errors, e->last_error);
	if (e->sessions->out_of_memory)
		say("out of memory: some programs of this run are missing above, not in %s", e->out_dir);
}

void summary_print(const struct run_end *e)
{
	const struct run_session *m = sessions_main(e->sessions);

	if (m && m->status == HELLO_ACTIVE)
		print_main(e, m);
	else
		print_unrecorded(e, m);
	print_others(e, m);
	print_further(e);
}
