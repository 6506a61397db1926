/* collectord/cli/traced.h - the programs that collectors record now, and which of them a user means. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collectord/cli/ask.h"
#include "collectord/cli/collectors.h"

struct traced {
	char socket[sizeof(((struct collector_place *)0)->path)]; /* of its collector */
	struct control_process process;
};

struct traced_list {
	struct traced *list;
	size_t n, room;
	struct control_end *ends; /* of each collector that answered */
	size_t n_ends;
	unsigned n_silent; /* collectors that are there and gave no answer; each was told */
};

/* Ask the collectors there are: `only` the one at that path if not NULL; until `pid` is found if it is not 0.  What
 * keeps one from answering is said.  0, or -errno with a fault: nobody listens at `only`, out of memory. */
int traced_find(const char *only, uint32_t pid, struct traced_list *ret, struct fault *f);
void traced_done(struct traced_list *t); /* takes a zeroed one */

/* The one recorded program that is meant by a pid or a name.  0, or -errno with a fault: none, or several. */
int traced_one(const char *what, const char *only, struct traced *ret, struct fault *f);

/* True if `text` is a pid. */
bool traced_is_pid(const char *text, uint32_t *ret);

/* Login name of a user, or the number. */
const char *traced_user(uint32_t uid, char *buf, size_t size);
