/* common/lane.c - see lane.h; no allocation, no system call, no wait on either side. */
#include "common/lane.h"

#include "common/testpoint.h"

#define AHEAD 8u /* events: as long as a line takes to come from the collector's processor */

/* A look without a lock: a full lane is not worth one. */
static bool seems_full(const struct abi_region *r, struct abi_lane *lane)
{
	return load_relaxed(&lane->head) - load_relaxed(&lane->tail) >= r->geo.lane_events;
}

static bool try_lock(struct abi_lane *lane, uint32_t ordinal)
{
	uint32_t unlocked = 0;

	return load_relaxed(&lane->lock) == 0 && cas_acquire(&lane->lock, &unlocked, ordinal + 1); /* F */
}

static bool has_room(const struct abi_region *r, struct abi_lane *lane)
{
	/* D, pairs with C.  Our own lock makes head ours; a wild tail costs events, never bounds. */
	return load_relaxed(&lane->head) - load_acquire(&lane->tail) < r->geo.lane_events;
}

int lane_acquire(const struct abi_region *r, uint32_t ordinal, uint32_t hint, uint32_t tries)
{
	uint32_t n = r->geo.lanes, at = LIKELY(hint < n) ? hint : hint % n; /* a division is dear here */

	for (uint32_t i = 0; i < tries && i < n; i++, at = at + 1 == n ? 0 : at + 1) {
		struct abi_lane *lane = &r->lanes[at];

		if (seems_full(r, lane) || !try_lock(lane, ordinal))
			continue;
		TEST_POINT(lane_locked);
		if (LIKELY(has_room(r, lane)))
			return (int)at;
		store_release(&lane->lock, 0); /* E */
	}
	return -1;
}

void lane_publish(const struct abi_region *r, int l, const struct abi_event *e)
{
	struct abi_lane *lane = &r->lanes[l];
	uint64_t head = load_relaxed(&lane->head);
	uint32_t mask = r->geo.lane_events - 1;
	struct abi_event *events = r->events + (uint64_t)(uint32_t)l * r->geo.lane_events;

	/* Without this the next atomic operation waits until the line of an event that was just written has come:
	 * the collector read it last. */
	events[head & mask] = *e;
	expect_write(&events[(head + AHEAD) & mask]);
	TEST_POINT(event_written);
	store_release(&lane->head, head + 1); /* A, pairs with B */
	TEST_POINT(event_published);
	store_release(&lane->lock, 0); /* E, pairs with F */
	TEST_POINT(lane_unlocked);
}

int64_t lane_copy(const struct abi_region *r, uint32_t l, uint64_t *tail, struct abi_event *out, uint32_t max)
{
	uint64_t head = load_acquire(&r->lanes[l].head); /* B, pairs with A */
	uint64_t n = head - *tail;
	const struct abi_event *base = r->events + (uint64_t)l * r->geo.lane_events;

	if (n > r->geo.lane_events)
		return -1;
	if (n > max)
		n = max;
	for (uint64_t i = 0; i < n; i++)
		out[i] = base[(*tail + i) & (r->geo.lane_events - 1)];
	*tail += n;
	return (int64_t)n;
}

void lane_release(const struct abi_region *r, uint32_t l, uint64_t tail)
{
	store_release(&r->lanes[l].tail, tail); /* C, pairs with D */
}

uint32_t lane_unlock_dead(const struct abi_region *r, uint32_t ordinal)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->geo.lanes; i++) {
		uint32_t holder = ordinal + 1;

		n += cas_acq_rel(&r->lanes[i].lock, &holder, 0); /* E on behalf of the dead */
	}
	return n;
}
