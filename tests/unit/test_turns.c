/* tests/unit/test_turns.c - users' connections in turn: the queues themselves, and a collector that is flooded.
 *
 * Connections are those of this process, which is several users one after the other; no test looks at a clock. */
#include <sys/fsuid.h>
#include <sys/resource.h>

#include "collectord/live/turns.h"
#include "tests/unit/live_fixture.h"

enum { FLOOD = 50001, OTHER = 50002 };

struct item {
	struct turns_item link; /* first: cast */
	uint32_t uid;
};

static uint32_t next_uid(struct turns *t)
{
	struct item *i = (struct item *)(void *)turns_next(t);

	return i ? i->uid : 0;
}

static void add(struct turns *t, struct item *i, uint32_t uid)
{
	i->uid = uid;
	cr_assert_eq(turns_add(t, uid, &i->link), 0);
}

Test(turns, serves_users_one_by_one)
{
	const uint32_t expected[] = { 1, 2, 3, 1, 2, 1, 1, 0 };
	struct item items[7];
	struct turns t;

	turns_init(&t, 10);
	for (int i = 0; i < 4; i++)
		add(&t, &items[i], 1);
	add(&t, &items[4], 2);
	add(&t, &items[5], 2);
	add(&t, &items[6], 3);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		cr_expect_eq(next_uid(&t), expected[i], "%zu", i);
	cr_assert_eq(t.n, 0);
	cr_assert(TAILQ_EMPTY(&t.users), "nobody is remembered");
}

Test(turns, who_comes_later_waits_for_one_of_each_other_user)
{
	struct item items[21];
	struct turns t;

	turns_init(&t, 20);
	for (int i = 0; i < 20; i++)
		add(&t, &items[i], 1);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(next_uid(&t), 1);
	add(&t, &items[20], 2);
	cr_assert_eq(next_uid(&t), 1);
	cr_assert_eq(next_uid(&t), 2);
	while (next_uid(&t))
		;
	turns_done(&t);
}

Test(turns, a_user_is_bounded_and_told_of_once_a_period)
{
	struct item items[4];
	uint64_t untold;
	struct turns t;
	uint32_t uid;

	turns_init(&t, 2);
	add(&t, &items[0], 1);
	add(&t, &items[1], 1);
	cr_assert_not(turns_to_tell(&t, &uid, &untold));
	for (int i = 0; i < 3; i++)
		cr_assert_eq(turns_add(&t, 1, &items[2].link), -EBUSY);
	add(&t, &items[3], 2);
	cr_assert(turns_to_tell(&t, &uid, &untold));
	cr_assert_eq(uid, 1);
	cr_assert_eq(untold, 3);
	while (next_uid(&t))
		;
	for (int i = 0; i < 2; i++)
		add(&t, &items[i], 1);
	cr_assert_eq(turns_add(&t, 1, &items[2].link), -EBUSY);
	cr_assert_not(turns_to_tell(&t, &uid, &untold), "it was told in this period, whatever was served since");
	cr_assert(turns_new_period(&t));
	cr_assert(turns_to_tell(&t, &uid, &untold));
	cr_assert_eq(untold, 1);
	while (next_uid(&t))
		;
	cr_assert(turns_new_period(&t));
	cr_assert_not(turns_new_period(&t));
	cr_assert(TAILQ_EMPTY(&t.users), "nobody is remembered for good");
	cr_assert_eq(t.turned_away, 4);
}

/* --- a collector ------------------------------------------------------------------------------------------- */

enum { BATCH = 100 /* fits into any kernel's queue */, MOST = 2000 };

struct crowd {
	struct bench b;
	int socks[MOST];
	unsigned n, noted_of_flood, noted_before_other, noted_of_other, words;
};

/* Programs that say why they are not recorded: all of a handshake but the session. */
static void connect_as(struct crowd *c, uint32_t uid, unsigned n)
{
	struct hello h = good_hello();

	h.status = HELLO_EXE_DEFINES_MALLOC;
	cr_assert_eq(seteuid(uid), 0);
	setfsuid(0);
	for (unsigned i = 0; i < n; i++) {
		int sock = shim_connect(c->b.sock);

		cr_assert_geq(sock, 0);
		cr_assert_eq(send(sock, &h, sizeof(h), MSG_NOSIGNAL), (ssize_t)sizeof(h));
		c->socks[c->n++] = sock;
	}
	cr_assert_eq(seteuid(0), 0);
}

static void count(enum session_change what, const struct session_view *v, void *arg)
{
	struct crowd *c = arg;

	if (what != SESSION_PASSIVE)
		return;
	c->noted_of_flood += v->uid == FLOOD;
	if (v->uid == OTHER && !c->noted_of_other++)
		c->noted_before_other = c->noted_of_flood;
}

static void hear(const char *text, bool is_loss, void *arg)
{
	struct crowd *c = arg;

	c->words += is_loss && strstr(text, "uid 50001: more than 1024 connections wait;") == text;
}

static void crowd_start(struct crowd *c, const char *backend)
{
	struct collector_config config = {
		.rate = 1, .any_uid = true, .listen_fd = -1, .on_change = count, .on_word = hear, .arg = c
	};
	const struct rlimit many = { 16384, 16384 };
	struct fault f;

	if (geteuid() || setrlimit(RLIMIT_NOFILE, &many))
		cr_skip_test("only root can be several users with many descriptors");
	memset(c, 0, sizeof(*c));
	c->b.loop = test_loop(backend);
	scratch_dir(c->b.dir, sizeof(c->b.dir));
	snprintf(c->b.sock, sizeof(c->b.sock), "%s/s", c->b.dir);
	config.socket_path = c->b.sock;
	config.out_dir = c->b.dir;
	cr_assert_eq(collector_new(c->b.loop, &config, &c->b.c, &f), 0, "%s", f.text);
}

static uint64_t turned_away(const struct crowd *c)
{
	struct collector_counts n;

	collector_counts(c->b.c, &n);
	return n.turned_away;
}

static void crowd_stop(struct crowd *c)
{
	while (c->n)
		close(c->socks[--c->n]);
	bench_stop(&c->b);
}

BACKENDS(turns, another_users_program_is_served_after_one_of_a_flood)
{
	static struct crowd c;

	crowd_start(&c, *backend);
	connect_as(&c, FLOOD, BATCH);
	connect_as(&c, OTHER, 1);
	TURN_UNTIL(c.b.loop, c.noted_of_flood + c.noted_of_other == BATCH + 1);
	cr_assert_eq(c.noted_of_other, 1);
	cr_assert_leq(c.noted_before_other, 1);
	crowd_stop(&c);
}

/* A turn serves a few and accepts all. */
BACKENDS(turns, a_flood_is_turned_away_counted_and_told_once)
{
	static struct crowd c;
	unsigned before;

	crowd_start(&c, *backend);
	while (c.n + BATCH < MOST) {
		connect_as(&c, FLOOD, BATCH);
		cr_assert_eq(loop_turn(c.b.loop, 1000), 0);
	}
	before = c.noted_of_flood;
	cr_assert_gt(turned_away(&c), 0);
	cr_assert_eq(c.words, 1);
	connect_as(&c, OTHER, 1);
	TURN_UNTIL(c.b.loop, c.noted_of_other);
	cr_assert_lt(c.noted_of_flood - before, 200, "not after all that waited");
	TURN_UNTIL(c.b.loop, c.noted_of_flood + turned_away(&c) == c.n - 1);
	cr_assert_geq(c.noted_of_flood, 1024, "who was within the bound was served");
	cr_assert_eq(c.words, 1);
	crowd_stop(&c);
}

BACKENDS(turns, a_burst_of_a_thousand_programs_is_served_whole)
{
	static struct crowd c;

	crowd_start(&c, *backend);
	while (c.n < 1000) {
		connect_as(&c, FLOOD, BATCH);
		cr_assert_eq(loop_turn(c.b.loop, 1000), 0);
	}
	TURN_UNTIL(c.b.loop, c.noted_of_flood == c.n);
	cr_assert_eq(turned_away(&c), 0);
	cr_assert_eq(c.words, 0);
	crowd_stop(&c);
}
