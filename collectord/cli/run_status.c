/* collectord/cli/run_status.c - the live line: only on a terminal, only in the foreground, gone at the end.
 *
 * It stands in the cursor's row with the cursor at its start, so that what the program prints replaces it.  While a
 * full-screen program has the terminal (no line editing by the kernel), nothing is drawn. */
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "collectord/cli/size.h"
#include "common/weight.h"

void status_init(struct status_line *s, bool quiet)
{
	*s = (struct status_line){ .enabled = !quiet && isatty(STDERR_FILENO) };
}

static bool is_ours(void)
{
	struct termios t;

	return tcgetpgrp(STDERR_FILENO) == getpgrp() && tcgetattr(STDERR_FILENO, &t) == 0 && (t.c_lflag & ICANON);
}

static int width(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1 : 79;
}

static void put(const char *text, int columns)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "\r%-*.*s\r", columns, columns, text);

	if (n > 0 && write(STDERR_FILENO, line, strnlen(line, sizeof(line))) < 0)
		return; /* the terminal went away: the program's business, not ours */
}

void status_draw(struct status_line *s, const struct session_view *v)
{
	char text[200], now[SIZE_TEXT_MAX], peak[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX], time[SIZE_TEXT_MAX];
	int columns = width(), len;

	if (!s->enabled || !is_ours())
		return;
	len = snprintf(text, sizeof(text), "heaptap: %s: in use %s, peak %s, allocated %s, %llu samples",
		       time_text(time, v->elapsed_ns), size_text(now, values_bytes_in_use(&v->total)),
		       size_text(peak, values_bytes_peak(&v->total)),
		       size_text(all, (double)v->total.alloc_bytes / (1 << WEIGHT_BYTES_SHIFT)),
		       (unsigned long long)v->audit.samples);
	if (len > columns)
		len = columns;
	put(text, s->drawn > len && s->drawn <= columns ? s->drawn : len);
	s->drawn = len;
}

void status_clear(struct status_line *s)
{
	if (s->drawn && is_ours())
		put("", s->drawn);
	s->drawn = 0;
}
