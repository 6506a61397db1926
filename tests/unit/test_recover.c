/* tests/unit/test_recover.c - what one collector leaves to the next, and what becomes of it when it is damaged.
 *
 * The keeper is an array here; a collector that is freed without a shutdown is as good as killed: nothing is
 * written, nothing is said.  Damage is done to copies of a real state, with its sum made right again for half of
 * them, so that it reaches what is behind the sum.  Under AddressSanitizer (SAN=address,undefined) every bound is
 * watched. */
#include "collectord/live/retain.h"
#include "tests/unit/recover_fixture.h"

enum { DAMAGED = 600 };

Test(recover, books_that_were_drained_before_the_kill, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start(&b, &p);
	collector_drain_all(b.c);
	next_collector(&b);
	cr_expect_str_eq(shelf.word, "went on with 1 session of the collector before");
	end(&b, &p);
}

Test(recover, events_that_were_not_drained_before_the_kill, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start(&b, &p);
	next_collector(&b);
	end(&b, &p);
}

Test(recover, a_program_that_ended_meanwhile, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start(&b, &p);
	collector_drain_all(b.c);
	fake_kill(&p);
	cr_assert_eq(waitpid(p.pid, NULL, 0), p.pid);
	next_collector(&b);
	end(&b, &p);
}

Test(recover, half_of_what_was_kept_is_refused_in_one_line, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start(&b, &p);
	close(shelf.kept[--shelf.n].fd);
	next_collector(&b);
	cr_expect(strstr(shelf.word, "not all of it was kept"), "%s", shelf.word);
	cr_expect_eq(collector_pending(b.c), 0);
	cr_expect_eq(shelf.forgotten, 1);
	fake_kill(&p);
	bench_stop(&b);
}

/* A thread that ended is not in /proc any more: only the log has its name. */
Test(recover, names_of_threads_that_were_read_before_the_kill, .timeout = 60)
{
	struct session *s;
	struct bench b;
	struct fake p;

	start(&b, &p);
	s = LIST_FIRST(&b.c->sessions);
	s->by_thread = true;
	threads_note(&s->threads, (uint32_t)getpid(), (uint32_t)getpid());
	cr_assert_eq(s->threads.n, 1);
	strcpy(s->threads.all[0].name, "was-here");
	s->threads.all[0].pid = 0;
	TURN_UNTIL(b.loop, !s->threads.changed);
	next_collector(&b);
	s = LIST_FIRST(&b.c->sessions);
	cr_assert_eq(s->threads.n, 1);
	cr_expect_str_eq(s->threads.all[0].name, "was-here");
	end(&b, &p);
}

/* --- retention ----------------------------------------------------------------------------------------------- */

static void name_as_daemon(const struct session_view *v, char *buf, size_t size, void *arg)
{
	(void)arg;
	retain_dir_name(buf, size, v->uid, v->id, v->pid);
}

/* A program with one snapshot, and room for no other one. */
static void start_with_snapshot(struct bench *b, struct fake *p, char *ret_path, size_t size)
{
	kept_config.retain.files = 1;
	kept_config.name_session = name_as_daemon;
	start(b, p);
	collector_snapshot_all(b->c, SNAPSHOT_SIGNAL);
	TURN_UNTIL(b->loop, b->saved == 1);
	snprintf(ret_path, size, "%s/%s", b->dir, b->last);
}

/* Another program's last snapshot: one of two has to go. */
static void write_another(struct bench *b)
{
	char path[512];

	assert_serves(b);
	snprintf(path, sizeof(path), "%s/%s", b->dir, b->last);
	TURN_UNTIL(b->loop, access(path, F_OK) != 0);
}

Test(recover, the_newest_snapshot_from_before_the_kill_stays, .timeout = 60)
{
	struct bench b;
	struct fake p;
	char path[512];

	start_with_snapshot(&b, &p, path, sizeof(path));
	next_collector(&b);
	write_another(&b);
	cr_expect_eq(access(path, F_OK), 0, "the newest of a program that lives");
	fake_kill(&p);
	bench_stop(&b);
}

Test(recover, the_last_snapshot_of_a_session_that_is_lost_stays, .timeout = 60)
{
	struct bench b;
	struct fake p;
	char path[512];

	start_with_snapshot(&b, &p, path, sizeof(path));
	close(shelf.kept[--shelf.n].fd);
	next_collector(&b);
	shelf.n = 0;
	write_another(&b);
	cr_expect_eq(access(path, F_OK), 0, "there will be no other one");
	fake_kill(&p);
	bench_stop(&b);
}

/* --- damage ------------------------------------------------------------------------------------------------ */

/* 0: read back all the same: what was changed is only a number. */
static int recover_damaged(struct bench *b, int region, int state, struct fault *f)
{
	struct session *s;
	int r = session_recover(&b->c->env, dup(region), state, &s, f);

	if (r)
		return r;
	r = session_replay(s, UINT64_MAX, f);
	session_free(s);
	return r;
}

Test(recover, damaged_states_are_refused_and_harm_nobody, .timeout = 170)
{
	unsigned refused = 0, read_back = 0;
	struct fault f = { "" };
	struct bench b;
	struct fake p;

	srand(7);
	start(&b, &p);
	collector_drain_all(b.c);
	for (int i = 0; i < DAMAGED; i++) {
		int state = shelf.kept[1].fd, copy;
		struct head h;

		copy = copy_of(state, &h);
		if (i % 3 == 0)
			change(copy, 0, sizeof(h), 1 + (unsigned)rand() % 3);
		else if (i % 3 == 1)
			change(copy, PAGE, h.committed & 0xffffffff, 1 + (unsigned)rand() % 4);
		else
			change(copy, area_at(&h), h.areas[h.generation & 1].size, 1 + (unsigned)rand() % 8);
		if (i % 6 == 2)
			make_sum_right(copy, &h);
		if (recover_damaged(&b, shelf.kept[0].fd, copy, &f))
			refused++;
		else
			read_back++;
	}
	cr_expect_gt(refused, DAMAGED / 4, "%u refused, %u read back", refused, read_back);
	fake_kill(&p);
	bench_stop(&b);
}

Test(recover, another_version_is_refused_in_words, .timeout = 60)
{
	struct fault f = { "" };
	struct head h;
	struct bench b;
	struct fake p;
	int copy;

	start(&b, &p);
	copy = copy_of(shelf.kept[1].fd, &h);
	h.major++;
	cr_assert_eq(pwrite(copy, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	cr_expect_eq(recover_damaged(&b, shelf.kept[0].fd, copy, &f), -EPROTO);
	cr_expect(strstr(f.text, "another version"), "%s", f.text);
	fake_kill(&p);
	bench_stop(&b);
}

Test(recover, a_state_whose_readers_die_is_given_up, .timeout = 60)
{
	struct fault f = { "" };
	struct head h;
	struct bench b;
	struct fake p;
	int r = 0;

	start(&b, &p);
	for (int i = 0; i < 20 && !r; i++)
		r = recover_damaged(&b, shelf.kept[0].fd, dup(shelf.kept[1].fd), &f);
	cr_expect_eq(r, -ELOOP, "%d", r);
	cr_assert_eq(pread(shelf.kept[1].fd, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	cr_expect_geq(h.attempts, 16);
	fake_kill(&p);
	bench_stop(&b);
}
