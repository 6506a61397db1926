/* collectord/cli/progress.h - a line on the terminal for work that takes longer than a second; gone afterwards.
 *
 * Nothing is printed when stderr is not a terminal.  One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	const char *what;
	uint64_t begin_ns, shown_ns;
	bool is_terminal;
};

void progress_begin(struct progress *p, const char *what);
void progress_step(size_t done, size_t all, void *arg); /* arg: struct progress */
void progress_end(struct progress *p);
