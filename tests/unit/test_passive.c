/* tests/unit/test_passive.c - the list of programs that are not recorded: newest, bounded, fair. */
#include <criterion/criterion.h>

#include "collectord/live/passive.h"

#define S 1000000000ull

static void note(struct passive_list *p, uint32_t pid, uint32_t uid, uint64_t now)
{
	const struct control_process about = { .pid = pid, .uid = uid };

	passive_note(p, &about, now);
}

static unsigned count(const struct passive_list *p, uint32_t uid)
{
	struct control_process c;
	unsigned n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += passive_get(p, i, 0, &c) && c.uid == uid;
	return n;
}

Test(passive, newest_of_each_user_are_kept)
{
	static struct passive_list p;
	struct control_process c;

	note(&p, 1, 7, 0);
	for (uint32_t i = 0; i < 1000; i++)
		note(&p, 100 + i, 8, 0);
	cr_assert_eq(count(&p, 8), PASSIVE_PER_USER);
	cr_assert_eq(count(&p, 7), 1, "a flood of another user pushed it out");
	cr_assert(passive_get(&p, p.n - 1, 0, &c));
	cr_assert_eq(c.pid, 1099);
}

Test(passive, many_users_are_bounded_too)
{
	static struct passive_list p;

	for (uint32_t i = 0; i < 1000; i++)
		note(&p, 100 + i, i, 0);
	cr_assert_eq(p.n, PASSIVE_MAX);
	cr_assert_eq(count(&p, 999), 1);
	cr_assert_eq(count(&p, 0), 0);
}

Test(passive, a_pid_is_there_once)
{
	static struct passive_list p;
	struct control_process c;

	for (uint32_t i = 0; i < 2 * PASSIVE_PER_USER; i++)
		note(&p, i % 5, 8, i * S);
	cr_assert_eq(p.n, 5);
	cr_assert(passive_get(&p, 4, 2 * PASSIVE_PER_USER * S, &c));
	cr_assert_eq(c.pid, (2 * PASSIVE_PER_USER - 1) % 5);
	cr_assert_eq(c.elapsed_ns, S);
}

Test(passive, old_ones_are_forgotten)
{
	static struct passive_list p;
	struct control_process c;

	note(&p, 1, 7, 100 * S);
	cr_assert(passive_get(&p, 0, 100 * S + PASSIVE_AGE_NS, &c));
	cr_assert_eq(c.elapsed_ns, PASSIVE_AGE_NS);
	cr_assert_not(passive_get(&p, 0, 101 * S + PASSIVE_AGE_NS, &c));
	cr_assert_not(passive_get(&p, 1, 0, &c));
}
