/* collectord/profile/spans.h - address ranges that may nest or overlap, and which of them cover an address.
 *
 * Add all, sort once, then ask.  One owner; a zeroed struct is ready. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct span {
	uint64_t start, end; /* half open */
	uint64_t max_end;    /* of this and all before it: where a search may stop */
	uint32_t item;       /* what it is, in the caller's table */
};

struct spans {
	struct span *at;
	size_t n, cap;
};

int spans_add(struct spans *t, uint64_t start, uint64_t end, uint32_t item); /* 0 or -ENOMEM */
void spans_sort(struct spans *t);
void spans_done(struct spans *t);

/* The covering span that starts last, which is the innermost if spans nest; NULL if none covers. */
const struct span *spans_find(const struct spans *t, uint64_t address);

/* The next one outwards after `s`, or NULL. */
const struct span *spans_outer(const struct spans *t, const struct span *s, uint64_t address);
