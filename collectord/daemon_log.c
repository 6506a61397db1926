/* collectord/daemon_log.c - see daemon_log.h. */
#include "collectord/daemon_log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "collectord/live/passive.h"
#include "collectord/profile/fault.h"

#define BURST 50u  /* lines of a kind at once */
#define REFILL_S 1 /* seconds until one more is due */

enum { KIND_ERROR = SESSION_REFUSED + 1, KIND_HTTP, KINDS };

/* A bucket of lines for each kind. */
static struct limit {
	uint32_t used;
	uint64_t left_out;
	time_t since; /* CLOCK_MONOTONIC */
} limits[KINDS];

static uint64_t dropped;

uint64_t log_dropped(void)
{
	return dropped;
}

static time_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* The journal adds our name by itself, and takes a priority from the beginning of a line: sd-daemon(3). */
static bool is_journal(void)
{
	static int known = -1;
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (known < 0)
		known = stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
			st.st_dev == dev && st.st_ino == ino;
	return known;
}

static void PRINTF(2, 0) print(int priority, const char *fmt, va_list ap)
{
	struct fault line;
	char text[sizeof(line.text)];

	vsnprintf(text, sizeof(text), fmt, ap);
	fault_set(&line, 0, "%s", text); /* escapes what programs call themselves */
	if (is_journal())
		fprintf(stderr, "<%d>%s\n", priority, line.text);
	else
		fprintf(stderr, "heaptap-collectord: %s\n", line.text);
}

void log_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(LOG_INFO, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(LOG_WARNING, fmt, ap);
	va_end(ap);
}

void log_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(LOG_ERR, fmt, ap);
	va_end(ap);
}

static bool is_due(struct limit *l)
{
	time_t now = now_s(), refill = (now - l->since) / REFILL_S;

	if (refill > 0) {
		l->used = refill < (time_t)l->used ? l->used - (uint32_t)refill : 0;
		l->since = now;
	}
	if (l->used >= BURST) {
		l->left_out++;
		dropped++;
		return false;
	}
	l->used++;
	return true;
}

static void PRINTF(3, 4) say_limited(int kind, int priority, const char *fmt, ...)
{
	struct limit *l = &limits[kind];
	va_list ap;

	if (!is_due(l))
		return;
	if (l->left_out)
		log_warn("%llu lines like the next one were left out", (unsigned long long)l->left_out);
	l->left_out = 0;
	va_start(ap, fmt);
	print(priority, fmt, ap);
	va_end(ap);
}

void log_change(enum session_change what, const struct session_view *v, const char *dir)
{
	const bool is_cut = v->is_damaged || v->is_over_limit;
	unsigned long long id = v->id;

	switch (what) {
	case SESSION_STARTED:
		say_limited(what, LOG_INFO, "session %llu: pid %u of uid %u: %s", id, v->pid, v->uid, v->exe);
		break;
	case SESSION_SAVED:
		say_limited(what, LOG_INFO, "session %llu: wrote %s/%s", id, dir, v->last_snapshot);
		break;
	case SESSION_SAVE_FAILED: /* log_error() */
		break;
	case SESSION_ENDED:
		say_limited(what, is_cut ? LOG_WARNING : LOG_INFO,
			    "session %llu: ended%s, %llu samples, %llu lost, %llu refused", id,
			    v->is_damaged ? " because it damaged its shared memory"
			    : v->is_over_limit
				    ? " because the programs of its user take too much (see --max-memory-per-user)"
				    : "",
			    (unsigned long long)v->audit.samples, (unsigned long long)v->audit.untracked,
			    (unsigned long long)v->audit.corrupt);
		break;
	case SESSION_PASSIVE:
		say_limited(what, LOG_INFO, "pid %u of uid %u is not recorded: %s: %s", v->pid, v->uid,
			    passive_why(v->status), v->exe);
		break;
	case SESSION_REFUSED:
		say_limited(what, LOG_WARNING,
			    "pid %u of uid %u is not recorded: too many at a time (see --max-sessions): %s", v->pid,
			    v->uid, v->exe);
		break;
	}
}

void log_error(const char *last, uint64_t errors)
{
	say_limited(KIND_ERROR, LOG_ERR, "%s (%llu errors so far)", last, (unsigned long long)errors);
}

void log_http(const char *line)
{
	say_limited(KIND_HTTP, LOG_INFO, "%s", line);
}
