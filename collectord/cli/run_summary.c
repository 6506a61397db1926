/* collectord/cli/run_summary.c - what `heaptap run` says when the program has ended: a short answer on stderr.
 *
 * First the program itself, then the biggest stacks: its own, unless another program of the run used more than ten
 * times as much; then the other processes, and the command that shows more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>

#include "collectord/cli/run.h"
#include "collectord/cli/say.h"
#include "collectord/cli/size.h"
#include "common/handshake.h"
#include "common/weight.h"

#define OTHERS_SHOWN 5
#define WHY_MAX 160

static double peak_of(const struct run_session *s)
{
	return values_bytes_peak(&s->total);
}

/* --- where a session's snapshots are ------------------------------------------------------------------ */

static size_t directory_length(const struct run_session *s)
{
	const char *slash = strrchr(s->last, '/');

	return slash ? (size_t)(slash - s->last) : 0;
}

/* Programs that ran one after the other in the same process have the same directory. */
static bool shares_directory(const struct run_sessions *all, const struct run_session *s)
{
	size_t n = directory_length(s);

	for (size_t i = 0; i < all->n; i++) {
		const struct run_session *o = &all->list[i];

		if (o != s && o->last[0] && directory_length(o) == n && !strncmp(o->last, s->last, n))
			return true;
	}
	return false;
}

/* What `heaptap top` takes for it: the directory, or the newest snapshot if the directory is not its own. */
static void source_of(const struct run_end *e, const struct run_session *s, char *buf, size_t size)
{
	size_t n = shares_directory(e->sessions, s) ? strlen(s->last) : directory_length(s);

	snprintf(buf, size, "%s%s%.*s", e->out_dir, n ? "/" : "", (int)n, s->last);
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

static void say_command(const char *before, const struct run_end *e, const struct run_session *s, bool peak)
{
	char self[PATH_MAX], source[2 * PATH_MAX], word[2 * PATH_MAX];

	source_of(e, s, source, sizeof(source));
	say("%s: %s top %s%s", before, quoted(program_invocation_name, self, sizeof(self)), peak ? "-peak " : "",
	    quoted(source, word, sizeof(word)));
}

/* --- the program itself, and the biggest stacks -------------------------------------------------------- */

static const char *why_passive(const struct run_session *s, char buf[WHY_MAX])
{
	switch (s->status) {
	case HELLO_BEHIND_ANOTHER:
		snprintf(buf, WHY_MAX, "not interposable: %s is in front of heaptap; preload it behind it, or not",
			 s->front);
		return buf;
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
static void say_unrecorded(const struct run_end *e, const struct run_session *m)
{
	char buf[WHY_MAX];
	const char *why = m ? why_passive(m, buf) : e->target->unsuited;

	numbers_say_unrecorded(e,
			       why ? why : "it never met heaptap; it may clear LD_PRELOAD, or run as another user");
}

/* The saved session with the highest peak: what the user will want to see. */
static const struct run_session *biggest_saved(const struct run_sessions *s)
{
	const struct run_session *best = NULL;

	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].last[0] && peak_of(&s->list[i]) > (best ? peak_of(best) : 0))
			best = &s->list[i];
	return best;
}

/* Nobody removed or moved it. */
static bool is_there(const struct run_end *e, const struct run_session *s)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", e->out_dir, s->last);
	return access(path, F_OK) == 0;
}

static struct snapshot *read_last(const struct run_end *e, const struct run_session *s)
{
	char path[2 * PATH_MAX];
	struct snapshot *ret = NULL;
	struct fault f = { "" };

	if (!s->last[0] || !is_there(e, s))
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", e->out_dir, s->last);
	if (snapshot_read_file(path, &ret, &f))
		say_fault(&f, EXIT_FAULT);
	return ret;
}

static void say_stacks(const struct run_end *e, const struct run_session *shown, const struct snapshot *s)
{
	char size[SIZE_TEXT_MAX], when[SIZE_TEXT_MAX], text[128];
	double peak = values_bytes_peak(&s->total);

	stacks_print(s);
	if (peak_says_more(&s->total) || peak <= 2 * values_bytes_in_use(&s->total))
		return;
	snprintf(text, sizeof(text), "at the peak (%s) %s were in use", time_text(when, s->peak_elapsed_ns),
		 size_text(size, peak));
	say_command(text, e, shown, true);
}

/* `m` NULL or not recorded: why; `best` NULL: nothing was saved. */
static void say_main(const struct run_end *e, const struct run_session *m, const struct run_session *best)
{
	bool recorded = m && m->status == HELLO_ACTIVE;
	const struct run_session *shown = recorded && (!best || 10 * peak_of(m) >= peak_of(best)) ? m : best;
	struct snapshot *s = shown ? read_last(e, shown) : NULL;
	struct rlimit space;

	if (recorded)
		numbers_say(e, m, shown == m ? s : NULL);
	else
		say_unrecorded(e, m);
	if (recorded && !m->total.allocs && getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
		say("its address space is limited (ulimit -v) and heaptap takes at most an eighth of what is left: "
		    "raise "
		    "the limit, or use a higher -r");
	if (recorded && e->target->partly)
		say("recorded in part: %s", e->target->partly);
	if (shown)
		numbers_advise(shown);
	if (s && shown != m)
		say("most was used by %s (pid %u):", shown->name, shown->pid);
	if (s)
		say_stacks(e, shown, s);
	snapshot_free(s);
}

/* --- other processes --------------------------------------------------------------------------------- */

static int by_peak(const void *pa, const void *pb)
{
	const struct run_session *a = *(const struct run_session *const *)pa;
	const struct run_session *b = *(const struct run_session *const *)pb;

	if (peak_of(a) != peak_of(b))
		return peak_of(a) > peak_of(b) ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static void print_other(const struct run_end *e, const struct run_session *o)
{
	char peak[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX], source[2 * PATH_MAX];
	bool lives = strstr(o->last, "-asked" SNAPSHOT_SUFFIX); /* when the collector shut down */
	char kind[32] = "";

	source_of(e, o, source, sizeof(source));
	if (o->number)
		snprintf(kind, sizeof(kind), ", forked by %u", o->ppid);
	say("  %s (pid %u%s): peak %s, allocated %s%s%s%s", o->name, o->pid, kind, size_text(peak, peak_of(o)),
	    size_text(all, (double)o->total.alloc_bytes / (1 << WEIGHT_BYTES_SHIFT)),
	    o->last[0] ? ", in " : "; nothing was saved", o->last[0] ? source : "",
	    lives ? "; it still runs, no longer recorded" : "");
}

/* Programs of the run that said they cannot be recorded. */
static void print_passive(const struct run_end *e, const struct run_session *m)
{
	size_t n = 0;

	for (size_t i = 0; i < e->sessions->n; i++) {
		const struct run_session *s = &e->sessions->list[i];
		char buf[WHY_MAX];
		const char *why = s != m ? why_passive(s, buf) : NULL;

		if (why && n++ < OTHERS_SHOWN)
			say("not recorded: %s (pid %u): %s", s->name, s->pid, why);
	}
	if (n > OTHERS_SHOWN)
		say("not recorded: %zu more", n - OTHERS_SHOWN);
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
	for (; shown < n && shown < OTHERS_SHOWN && peak_of(list[shown]) > 0; shown++) {
		if (!shown)
			say("other processes of this run, by peak:");
		print_other(e, list[shown]);
	}
	if (n > shown)
		say(shown ? "  and %zu more" : "other processes of this run: %zu, too small for a sample",
		    n - shown);
	free(list);
}

/* What all recorded processes did together. */
static void print_all(const struct run_sessions *s)
{
	char bytes[SIZE_TEXT_MAX];
	uint64_t sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		n += s->list[i].status == HELLO_ACTIVE;
		sum += s->list[i].total.alloc_bytes;
	}
	if (n > 1)
		say("%zu processes in all: %s allocated", n,
		    size_text(bytes, (double)sum / (1 << WEIGHT_BYTES_SHIFT)));
	if (s->unrecorded)
		say("%u forked children were not recorded: too many at a time", s->unrecorded);
}

void summary_print(const struct run_end *e)
{
	const struct run_session *m = sessions_main(e->sessions), *best = biggest_saved(e->sessions);

	say_main(e, m, best);
	print_others(e, m);
	print_all(e->sessions);
	print_passive(e, m);
	if (best && is_there(e, best))
		say_command("look further", e, best, peak_says_more(&best->total));
	else if (best)
		say("the snapshots are gone: somebody removed %s", e->out_dir);
	if (e->errors)
		say("writing snapshots failed %llu time%s: %s", (unsigned long long)e->errors,
		    e->errors == 1 ? "" : "s", e->last_error);
	if (e->sessions->out_of_memory)
		say("out of memory: some programs of this run are missing above, not in %s", e->out_dir);
}
