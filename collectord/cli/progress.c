/* collectord/cli/progress.c - see progress.h. */
#include "collectord/cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "collectord/cli/clock.h"

#define PATIENCE_NS 1000000000ull
#define REDRAW_NS 200000000ull

void progress_begin(struct progress *p, const char *what)
{
	*p = (struct progress){ .what = what, .begin_ns = clock_ns(), .is_terminal = isatty(STDERR_FILENO) };
}

void progress_step(size_t done, size_t all, void *arg)
{
	struct progress *p = arg;
	uint64_t now;

	if (!p->is_terminal)
		return;
	now = clock_ns();
	if (now - p->begin_ns < PATIENCE_NS || now - p->shown_ns < REDRAW_NS)
		return;
	p->shown_ns = now;
	fprintf(stderr, "\rheaptap: %s: %zu of %zu ", p->what, done, all);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown_ns)
		fprintf(stderr, "\r%60s\r", "");
}
