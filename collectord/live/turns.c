/* collectord/live/turns.c - see turns.h. */
#include "collectord/live/turns.h"

#include <errno.h>
#include <stdlib.h>

void turns_init(struct turns *t, size_t per_user)
{
	*t = (struct turns){ .per_user = per_user };
	TAILQ_INIT(&t->users);
}

static void forget(struct turns *t, struct turns_user *u)
{
	TAILQ_REMOVE(&t->users, u, link);
	free(u);
}

void turns_done(struct turns *t)
{
	while (!TAILQ_EMPTY(&t->users))
		forget(t, TAILQ_FIRST(&t->users));
}

static struct turns_user *find(struct turns *t, uint32_t uid)
{
	struct turns_user *u;

	TAILQ_FOREACH(u, &t->users, link)
	{
		if (u->uid == uid)
			break;
	}
	return u;
}

static struct turns_user *user_of(struct turns *t, uint32_t uid)
{
	struct turns_user *u = find(t, uid);

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	STAILQ_INIT(&u->items);
	TAILQ_INSERT_TAIL(&t->users, u, link);
	return u;
}

/* Behind all who wait, before all who do not. */
static void queue_up(struct turns *t, struct turns_user *u)
{
	struct turns_user *last;

	TAILQ_REMOVE(&t->users, u, link);
	TAILQ_FOREACH_REVERSE(last, &t->users, turns_users, link)
	{
		if (last->n)
			break;
	}
	if (last)
		TAILQ_INSERT_AFTER(&t->users, last, u, link);
	else
		TAILQ_INSERT_HEAD(&t->users, u, link);
}

int turns_add(struct turns *t, uint32_t uid, struct turns_item *item)
{
	struct turns_user *u = user_of(t, uid);

	if (!u)
		return -ENOMEM;
	if (u->n >= t->per_user) {
		u->untold++;
		t->turned_away++;
		return -EBUSY;
	}
	if (u->n == 0)
		queue_up(t, u);
	STAILQ_INSERT_TAIL(&u->items, item, link);
	u->n++;
	t->n++;
	return 0;
}

struct turns_item *turns_next(struct turns *t)
{
	struct turns_user *u = TAILQ_FIRST(&t->users);
	struct turns_item *item;

	if (!u || u->n == 0)
		return NULL;
	item = STAILQ_FIRST(&u->items);
	STAILQ_REMOVE_HEAD(&u->items, link);
	t->n--;
	if (--u->n || u->untold || u->is_told)
		queue_up(t, u);
	else
		forget(t, u);
	return item;
}

bool turns_to_tell(struct turns *t, uint32_t *ret_uid, uint64_t *ret_untold)
{
	struct turns_user *u;

	TAILQ_FOREACH(u, &t->users, link)
	{
		if (!u->untold || u->is_told)
			continue;
		*ret_uid = u->uid;
		*ret_untold = u->untold;
		u->untold = 0;
		u->is_told = true;
		return true;
	}
	return false;
}

bool turns_new_period(struct turns *t)
{
	struct turns_user *u, *next;
	bool any = false;

	for (u = TAILQ_FIRST(&t->users); u; u = next) {
		next = TAILQ_NEXT(u, link);
		any |= u->is_told;
		u->is_told = false;
		if (!u->n && !u->untold)
			forget(t, u);
	}
	return any;
}
