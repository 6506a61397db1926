/* collectord/live/turns.h - connections that wait to be heard: a queue for each user, users served in turn.
 *
 * So who comes waits for his own connections, and for one of each other user's at a time.  A user's queue is
 * bounded: what comes on top is counted, and to be told of once a minute at most.  Loop's thread; items are the
 * caller's, users live while something of theirs waits or is to be told. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct turns_item {
	STAILQ_ENTRY(turns_item) link;
};

struct turns_user {
	TAILQ_ENTRY(turns_user) link;
	STAILQ_HEAD(turns_items, turns_item) items;
	uint32_t uid;
	size_t n;
	uint64_t untold; /* turned away since that was told */
	bool is_told;    /* in this period */
};

struct turns {
	TAILQ_HEAD(turns_users, turns_user) users; /* the next one first; those who wait before all others */
	size_t n, per_user;
	uint64_t turned_away; /* ever */
};

void turns_init(struct turns *t, size_t per_user);
void turns_done(struct turns *t); /* nothing waits any more */

/* 0; -EBUSY: too many of `uid` wait, that one more came is counted; -ENOMEM. */
int turns_add(struct turns *t, uint32_t uid, struct turns_item *item);

/* Whose turn it is, and no longer waiting; or NULL. */
struct turns_item *turns_next(struct turns *t);

/* A user of whom something is to be told now, and how many were turned away since the last time; false: nobody. */
bool turns_to_tell(struct turns *t, uint32_t *ret_uid, uint64_t *ret_untold);

/* Another period: users may be told of again.  False if there was nobody to be told of in the last one. */
bool turns_new_period(struct turns *t);
