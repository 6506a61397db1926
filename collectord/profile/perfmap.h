/* collectord/profile/perfmap.h - the text in which JIT compilers say what code they made: /tmp/perf-PID.map.
 *
 * A line per piece of code, "START SIZE NAME", numbers in hex, appended as code is made.  Memory of dead code is
 * used again and the text does not say when: an address that differently named lines cover is disputed, as nobody
 * knows whose it was at the moment of a stack.  So is one whose line has no name fit to be shown. Pure, and the
 * text is hostile: lines that are no entries are skipped, and so is a last line that does not end, because its name
 * may be cut.  Names point into the text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERFMAP_MAX_NAME 4096

struct perfmap_entry {
	uint64_t start, end; /* half open, not empty */
	const char *name;    /* NULL: none fit to be shown (none at all, too long, control bytes, not UTF-8) */
	size_t name_len;
};

/* The next entry from text[*at] on; *at moves behind its line.  false: there is none. */
bool perfmap_next(const char *text, size_t len, size_t *at, struct perfmap_entry *ret);

/* What the text says of an address. */
struct perfmap_claim {
	uint64_t address;
	bool covered, disputed;
	const char *name; /* if covered and not disputed */
	size_t name_len;
};

/* Fill `claims`, sorted by address, of which only the addresses are set.  0, or -E2BIG: entries overlap so often
 * that the text makes no sense; then what was filled in is not to be used. */
int perfmap_resolve(const char *text, size_t len, struct perfmap_claim *claims, size_t n);
