/* collectord/live/passive.h - programs that said they will not be recorded, the newest ones, for `heaptap ps`.
 *
 * Bounded in all and per user: one user's many programs push out only their own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/live/control_proto.h"

#define PASSIVE_MAX 64u
#define PASSIVE_PER_USER 16u
#define PASSIVE_AGE_NS 600000000000ull /* listed for ten minutes */

/* Oldest first.  elapsed_ns holds the moment (CLOCK_MONOTONIC) until it is asked for. */
struct passive_list {
	struct control_process list[PASSIVE_MAX];
	size_t n;
};

void passive_note(struct passive_list *p, const struct control_process *about, uint64_t now_ns);

/* Why nothing is recorded, by enum hello_status; for people. */
const char *passive_why(uint32_t status);

/* The i-th one as of now, its elapsed_ns since then; false: there is none, or it is too old. */
bool passive_get(const struct passive_list *p, size_t i, uint64_t now_ns, struct control_process *ret);
