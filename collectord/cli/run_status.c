/* collectord/cli/run_status.c - the live line, in a terminal row that the program cannot reach, gone at the end.
 *
 * As apt does it: the scroll region ends above the last row, which is ours, so that nothing the program prints or
 * the user types meets it.  Set up once the program has run for a second; given back before every line of our own,
 * when the size changes, when the job stops, and while a full-screen program or a line editor has the terminal (no
 * line editing by the kernel).  Every update is one write(), so that the program's output cannot get between. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "collectord/cli/size.h"
#include "common/weight.h"

#define PATIENCE_NS 1000000000ull
#define ROWS_MIN 5

#define SAVE "\0337\033[m" /* cursor and colours; the program's colours are not for us */
#define RESTORE "\0338"
#define WHOLE_SCREEN "\033[r" /* also moves the cursor home */
#define INDEX "\033D"         /* down, scrolling if need be, in the same column */
#define UP "\033[1A"

void status_init(struct status_line *s, bool quiet)
{
	const char *term = getenv("TERM");

	*s = (struct status_line){ .enabled = !quiet && isatty(STDERR_FILENO) && term && *term &&
					      strcmp(term, "dumb") };
}

static bool is_ours(void)
{
	struct termios t;

	return tcgetpgrp(STDERR_FILENO) == getpgrp() && tcgetattr(STDERR_FILENO, &t) == 0 && (t.c_lflag & ICANON);
}

static struct winsize terminal_size(void)
{
	struct winsize w = { 0 };

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w))
		w.ws_row = 0;
	return w;
}

static void put(const char *text, int len)
{
	if (len > 0 && write(STDERR_FILENO, text, (size_t)len) < 0)
		return; /* the terminal went away: the program's business, not ours */
}

/* What fits: whole fields only, the first ones matter most. */
static int write_fields(const struct session_view *v, char *buf, size_t size, int columns)
{
	char now[SIZE_TEXT_MAX], peak[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX], time[SIZE_TEXT_MAX];
	char fields[5][80];
	int used = 0;

	snprintf(fields[0], sizeof(fields[0]), "in use %s", size_text(now, values_bytes_in_use(&v->total)));
	snprintf(fields[1], sizeof(fields[1]), ", peak %s", size_text(peak, values_bytes_peak(&v->total)));
	snprintf(fields[2], sizeof(fields[2]), ", allocated %s",
		 size_text(all, (double)v->total.alloc_bytes / (1 << WEIGHT_BYTES_SHIFT)));
	snprintf(fields[3], sizeof(fields[3]), ", after %s", time_text(time, v->elapsed_ns));
	snprintf(fields[4], sizeof(fields[4]), ", %llu sample%s", (unsigned long long)v->audit.samples,
		 v->audit.samples == 1 ? "" : "s");
	if (columns > (int)(strlen("heaptap: ") + strlen(fields[0])))
		used = snprintf(buf, size, "heaptap: ");
	for (size_t i = 0; i < ARRAY_SIZE(fields) && used + (int)strlen(fields[i]) < columns; i++)
		used += snprintf(buf + used, size - (size_t)used, "%s", fields[i]);
	buf[used] = '\0';
	return used;
}

static void set_up(struct status_line *s, const struct winsize *w)
{
	char buf[64];

	s->rows = w->ws_row;
	put(buf, snprintf(buf, sizeof(buf), INDEX "\0337\033[1;%dr" RESTORE UP, s->rows - 1));
}

void status_draw(struct status_line *s, const struct session_view *v)
{
	struct winsize w = terminal_size();
	char text[256], buf[sizeof(text) + 64];

	if (!s->enabled || (!s->rows && v->elapsed_ns < PATIENCE_NS))
		return;
	if (s->rows && s->rows != w.ws_row)
		status_resized(s);
	if (!is_ours() || w.ws_row < ROWS_MIN || !write_fields(v, text, sizeof(text), w.ws_col)) {
		status_clear(s);
		return;
	}
	if (!s->rows)
		set_up(s, &w);
	put(buf, snprintf(buf, sizeof(buf), SAVE "\033[%d;1H\033[2K%s" RESTORE, s->rows, text));
}

/* Where our row went is the terminal's choice: away when it became lower, else somewhere below the cursor, where
 * nothing else can be. */
void status_resized(struct status_line *s)
{
	bool lower = terminal_size().ws_row < s->rows;
	char buf[64];

	if (!s->rows)
		return;
	put(buf, snprintf(buf, sizeof(buf), SAVE WHOLE_SCREEN RESTORE "%s",
			  lower ? "" : SAVE "\033[1B\r\033[J" RESTORE));
	s->rows = 0;
}

void status_clear(struct status_line *s)
{
	char buf[64];

	if (!s->rows)
		return;
	put(buf, snprintf(buf, sizeof(buf), SAVE WHOLE_SCREEN "\033[%d;1H\033[2K" RESTORE, s->rows));
	s->rows = 0;
}
