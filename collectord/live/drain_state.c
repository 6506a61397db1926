/* collectord/live/drain_state.c - the part of drain.h that a session's state sees: commits, replays, checkpoints.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/drain_impl.h"
#include "collectord/live/parts.h"
#include "common/lane.h"
#include "common/testpoint.h"

static uint32_t count_moved(const struct drain *d)
{
	uint32_t n = 0;

	for (uint32_t l = 0; l < d->region->geo.lanes; l++)
		n += d->tails[l] != d->given[l];
	return n;
}

static void log_tails(struct drain *d, uint32_t n)
{
	struct record_tails *r = state_add(d->state, RECORD_TAILS, sizeof(*r) + n * sizeof(*r->moved));

	if (!r)
		return;
	r->corrupt = d->corrupt;
	for (uint32_t l = 0, i = 0; l < d->region->geo.lanes && i < n; l++) {
		if (d->tails[l] == d->given[l])
			continue;
		r->moved[i].lane = l;
		r->moved[i].pad = 0;
		r->moved[i++].tail = d->tails[l];
	}
}

void drain_commit(struct drain *d)
{
	uint32_t n = count_moved(d);

	if (n && d->state)
		log_tails(d, n);
	state_commit(d->state);
	for (uint32_t l = 0; n && l < d->region->geo.lanes; l++) {
		if (d->tails[l] == d->given[l])
			continue;
		lane_release(d->region, l, d->tails[l]);
		d->given[l] = d->tails[l];
		TEST_POINT(lane_given_back);
	}
	drain_spill_release(d);
}

int drain_replay_tails(struct drain *d, const struct record_tails *r, size_t size)
{
	if (size < sizeof(*r) || (size - sizeof(*r)) % sizeof(*r->moved))
		return -EBADMSG;
	d->corrupt = r->corrupt;
	for (size_t i = 0; i < (size - sizeof(*r)) / sizeof(*r->moved); i++) {
		if (r->moved[i].lane >= d->region->geo.lanes)
			return -EBADMSG;
		d->tails[r->moved[i].lane] = r->moved[i].tail;
	}
	return 0;
}

void drain_resume(struct drain *d)
{
	for (uint32_t l = 0; l < d->region->geo.lanes; l++) {
		lane_release(d->region, l, d->tails[l]);
		d->given[l] = d->tails[l];
	}
	drain_spill_release(d);
}

/* --- checkpoints ------------------------------------------------------------------------------------------- */

struct packed_drain {
	uint64_t tails[ABI_MAX_LANES];
	uint64_t corrupt;
	uint32_t is_broken, n_seen;
};

struct packed_seen {
	uint64_t slot;
	struct spill_sums sums;
};

static_assert(sizeof(struct packed_drain) == 2064 && sizeof(struct packed_seen) == 128,
	      "they grow at their ends, and with STATE_MINOR");

static uint32_t count_seen(const struct drain *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; d->spill_used && i <= d->region->geo.spill_slots / 64; i++)
		n += (uint32_t)__builtin_popcountll(d->spill_used[i]);
	return n;
}

void drain_pack(const struct drain *d, struct pack_writer *w)
{
	struct packed_drain head = { .corrupt = d->corrupt, .is_broken = d->is_broken, .n_seen = count_seen(d) };

	memcpy(head.tails, d->tails, sizeof(head.tails));
	part_put(w, PART_DRAIN, &head, sizeof(head), 0);
	part_end(w);
	part_put_array(w, PART_SEEN, sizeof(struct packed_seen), head.n_seen);
	for (uint32_t slot = 0; head.n_seen && slot < d->region->geo.spill_slots; slot++) {
		struct packed_seen seen = { .slot = slot };

		if (!drain_spill_is_used(d, slot))
			continue;
		seen.sums = d->spill_seen[slot];
		pack_put(w, &seen, sizeof(seen));
	}
	part_end(w);
}

static int unpack_seen(struct drain *d, uint32_t n, struct pack_reader *r)
{
	struct packed_seen *all;
	void *items = NULL;
	int e = part_get_array(r, PART_SEEN, n, sizeof(*all), n, &items);

	if (!e && n && !drain_spill_ready(d))
		e = -ENOMEM;
	all = items;
	for (uint32_t i = 0; !e && i < n; i++) {
		if (all[i].slot >= d->region->geo.spill_slots) {
			e = -EBADMSG;
			continue;
		}
		d->spill_seen[all[i].slot] = all[i].sums;
		drain_spill_mark(d, (uint32_t)all[i].slot);
	}
	free(items);
	return e;
}

int drain_unpack(struct drain *d, struct pack_reader *r)
{
	struct packed_drain head;
	int e = part_get(r, PART_DRAIN, &head, sizeof(head));

	if (e)
		return e;
	part_leave(r);
	memcpy(d->tails, head.tails, sizeof(d->tails));
	d->corrupt = head.corrupt;
	d->is_broken = head.is_broken != 0;
	return unpack_seen(d, head.n_seen, r);
}
