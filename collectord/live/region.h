/* collectord/live/region.h - the shared region of one session: a sealed memfd and our mapping of it.
 *
 * The collector creates, sizes and seals it, so no peer can take pages away from under a reader (SIGBUS).  It is
 * sparse: pages nobody wrote cost nothing, and nothing here touches more than the first three. */
#pragma once

#include "common/abi.h"

struct shared_region {
	struct abi_region map; /* private copy of geometry and pointers */
	void *base;
	uint64_t size;
	int memfd; /* -1 = none */
};

#define SHARED_REGION_NONE   \
	{                    \
		.memfd = -1, \
	}

/* Table sizes for sampling interval `rate`: large where nearly every allocation is an event. */
struct abi_geometry region_geometry(uint32_t rate);

/* Make a region for session `session` that starts at `epoch_ns` (CLOCK_MONOTONIC), its control word filled in.
 * 0 or -errno. */
int region_create(const struct abi_geometry *geo, uint64_t session, uint64_t epoch_ns, uint32_t rate,
		  uint32_t max_depth, struct shared_region *ret);

/* The region that a predecessor made, of this geometry; takes `memfd` over if it succeeds.  *ret_mine: nobody may
 * write to it any more, ours is a private copy.  0, -EBADMSG: it is not such a one, or another -errno. */
int region_adopt(int memfd, const struct abi_geometry *geo, uint64_t session, uint64_t epoch_ns,
		 struct shared_region *ret, bool *ret_mine);

/* 1: nobody else has it mapped, nor will: what we have from now on is a private copy.  0: somebody has.  Moves our
 * mapping.  -errno: that failed, only region_destroy() may follow. */
int region_is_ours(struct shared_region *r);

void region_destroy(struct shared_region *r); /* takes SHARED_REGION_NONE and half-made ones */
