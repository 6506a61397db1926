/* common/abi.c - compute and check the shared region's layout.
 *
 * Pure functions, any thread, no allocation.  Both sides use the same computation, so a header is right exactly
 * when it equals what its own geometry yields: one comparison replaces a list of overlap and range checks. */
#include "common/abi.h"

static bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

static bool geometry_ok(const struct abi_geometry *g)
{
	return g->lanes >= 1 && g->lanes <= ABI_MAX_LANES && is_pow2(g->lane_events) &&
	       g->lane_events <= ABI_MAX_LANE_EVENTS && g->procs >= 1 && g->procs <= ABI_MAX_PROCS &&
	       is_pow2(g->stack_slots) && g->stack_slots >= 2 && g->stack_slots <= ABI_MAX_STACK_SLOTS &&
	       g->stack_words >= 2 && g->stack_words <= ABI_MAX_STACK_WORDS && is_pow2(g->spill_slots) &&
	       g->spill_slots >= 2 && g->spill_slots <= ABI_MAX_SPILL_SLOTS && g->modules >= 1 &&
	       g->modules <= ABI_MAX_MODULES && g->strings >= 1 && g->strings <= ABI_MAX_STRINGS;
}

/* Give the next `bytes` of the region out, page aligned.  The bounds above keep the sum far below 2^64. */
static uint64_t place(uint64_t *at, uint64_t bytes)
{
	uint64_t off = *at;

	*at += (bytes + ABI_PAGE - 1) & ~(uint64_t)(ABI_PAGE - 1);
	return off;
}

bool abi_header_init(struct abi_header *h, const struct abi_geometry *geo)
{
	uint64_t at = 3 * ABI_PAGE; /* header, control, cursors */

	if (!geometry_ok(geo))
		return false;
	*h = (struct abi_header){
		.magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(*h),
		.event_size = sizeof(struct abi_event),
		.geo = *geo,
	};
	h->off_lanes = place(&at, (uint64_t)geo->lanes * sizeof(struct abi_lane));
	h->off_events = place(&at, (uint64_t)geo->lanes * geo->lane_events * sizeof(struct abi_event));
	h->off_procs = place(&at, (uint64_t)geo->procs * sizeof(struct abi_proc));
	h->off_slots = place(&at, (uint64_t)geo->stack_slots * sizeof(uint64_t));
	h->off_words = place(&at, geo->stack_words * sizeof(uint64_t));
	h->off_spill = place(&at, (uint64_t)geo->spill_slots * sizeof(struct abi_spill));
	h->off_modules = place(&at, (uint64_t)geo->modules * sizeof(struct abi_module));
	h->off_strings = place(&at, geo->strings);
	h->region_size = at;
	TEST_NEXT(h->check = ~at;)
	return true;
}

bool abi_header_ok(const struct abi_header *h, uint64_t mapped)
{
	struct abi_header want;

	if (h->magic != ABI_MAGIC || h->major != ABI_MAJOR || h->event_size != sizeof(struct abi_event) ||
	    h->header_size < ABI_HEADER_SIZE)
		return false;
	if (!abi_header_init(&want, &h->geo))
		return false;
	TEST_NEXT(if (h->check && h->check != want.check) return false;)
	return want.region_size == h->region_size && h->region_size <= mapped && want.off_lanes == h->off_lanes &&
	       want.off_events == h->off_events && want.off_procs == h->off_procs &&
	       want.off_slots == h->off_slots && want.off_words == h->off_words && want.off_spill == h->off_spill &&
	       want.off_modules == h->off_modules && want.off_strings == h->off_strings;
}

void abi_region_map(struct abi_region *r, void *base, const struct abi_header *h)
{
	char *b = base;

	*r = (struct abi_region){
		.header = (void *)b,
		.control = (void *)(b + ABI_PAGE),
		.cursors = (void *)(b + 2 * ABI_PAGE),
		.lanes = (void *)(b + h->off_lanes),
		.events = (void *)(b + h->off_events),
		.procs = (void *)(b + h->off_procs),
		.slots = (void *)(b + h->off_slots),
		.words = (void *)(b + h->off_words),
		.spill = (void *)(b + h->off_spill),
		.modules = (void *)(b + h->off_modules),
		.strings = b + h->off_strings,
		.geo = h->geo,
		.session = h->session,
		.epoch_ns = h->epoch_ns,
	};
}
