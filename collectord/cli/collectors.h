/* collectord/cli/collectors.h - where collectors may be listening.
 *
 * The system's one, those of `heaptap run`, and what traced programs name in their environment; sockets of our user
 * and of root, for root everybody's.  Found is not alive: only asking tells. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct collector_place {
	char path[108]; /* what fits struct sockaddr_un */
	bool is_named;  /* by the user, or the system's: believed about everybody's programs */
	dev_t dev;
	ino_t ino;
};

struct collector_places {
	struct collector_place *list; /* each socket once, the likeliest for `pid` first */
	size_t n;
};

/* `only`: the one path there is, or NULL; `pid`: whose collector is looked for, or 0. */
void collectors_find(const char *only, uint32_t pid, struct collector_places *ret);
void collectors_done(struct collector_places *p);
