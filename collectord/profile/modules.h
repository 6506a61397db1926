/* collectord/profile/modules.h - a snapshot's modules as mappings of a profile, and which of them an address is in.
 *
 * A range can be reused after dlclose: a stack belongs to the module that was there in its epoch. */
#pragma once

#include "collectord/profile/profile.h"
#include "collectord/profile/snapshot.h"
#include "collectord/profile/spans.h"

struct modules {
	const struct snapshot *s; /* borrowed */
	uint32_t *mappings;       /* of each module */
	struct spans spans;
};

/* Adds the mappings to `p`: the main program first, the rest by address.  0 or -ENOMEM; done() it either way. */
int modules_init(struct modules *m, const struct snapshot *s, struct profile *p);
void modules_done(struct modules *m);

/* Mapping of the module that covered `address` in `epoch`, or PROFILE_NONE. */
uint32_t modules_find(const struct modules *m, uint64_t address, uint32_t epoch);
