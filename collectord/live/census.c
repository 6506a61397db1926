/* collectord/live/census.c - see census.h. */
#include "collectord/live/census.h"

#include <errno.h>
#include <stdlib.h>

#include "collectord/live/process.h"

static struct census_user *find(const struct census *c, uint32_t uid)
{
	for (size_t i = 0; i < c->n_users; i++)
		if (c->users[i].uid == uid)
			return &c->users[i];
	return NULL;
}

int census_add(struct census *c, uint32_t uid)
{
	size_t cap = c->cap_users ? 2 * c->cap_users : 16;
	struct census_user *u = find(c, uid), *grown;

	if (!u && c->n_users == c->cap_users) {
		grown = reallocarray(c->users, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->users = grown;
		c->cap_users = cap;
	}
	if (!u) {
		u = &c->users[c->n_users++];
		*u = (struct census_user){ .uid = uid };
	}
	u->sessions++;
	c->sessions++;
	return 0;
}

void census_remove(struct census *c, uint32_t uid)
{
	struct census_user *u = find(c, uid);

	c->sessions--;
	if (--u->sessions == 0)
		*u = c->users[--c->n_users];
}

uint32_t census_of(const struct census *c, uint32_t uid)
{
	const struct census_user *u = find(c, uid);

	return u ? u->sessions : 0;
}

void census_done(struct census *c)
{
	free(c->users);
	*c = (struct census){ 0 };
}

void census_add_process(struct census *c, struct process *p)
{
	LIST_INSERT_HEAD(&c->by_pid[p->pid % CENSUS_PIDS], p, pid_link);
	p->is_counted = true;
}

void census_remove_process(struct process *p)
{
	if (p->is_counted)
		LIST_REMOVE(p, pid_link);
	p->is_counted = false;
}

void census_each(struct census *c, uint32_t pid, void (*fn)(struct process *p, void *arg), void *arg)
{
	struct process *p, *next;

	for (p = LIST_FIRST(&c->by_pid[pid % CENSUS_PIDS]); p; p = next) {
		next = LIST_NEXT(p, pid_link);
		if (p->pid == pid)
			fn(p, arg);
	}
}
