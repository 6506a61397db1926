/* tests/unit/test_save.c - snapshots of the living and the dead: when, where, how many, and disks that refuse. */
#include <sys/stat.h>

#include "tests/unit/session_fixture.h"

BACKENDS(save, snapshot_of_the_living_is_complete_and_named_by_its_reason)
{
	struct bench b;
	struct snapshot *s;
	struct fake p;

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, fake_ready(&p));
	collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	TURN_UNTIL(b.loop, b.saved == 1);
	cr_assert_str_eq(b.last, "s1/0001-signal.heaptap");
	s = bench_snapshot(&b, b.last);
	assert_three_and_one(s);
	cr_assert_eq(s->reason, SNAPSHOT_SIGNAL);
	cr_assert_eq(s->exit_known, 0);
	snapshot_free(s);
	/* Asked for twice before the loop runs: coalesced. */
	collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_str_eq(b.last, "s1/0003-exit.heaptap");
	bench_stop(&b);
}

BACKENDS(save, snapshot_holds_what_was_written_before_it_was_asked_for)
{
	struct bench b;
	struct snapshot *s;
	struct abi_region r;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	alloc_three_free_one(&r);
	collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	emit(&r, ABI_EVENT_ALLOC, 1, 0);
	TURN_UNTIL(b.loop, b.saved == 1);
	s = bench_snapshot(&b, b.last);
	cr_assert_geq(s->total.allocs, 3);
	snapshot_free(s);
	bench_stop(&b);
}

/* The snapshot being written when everything ends is not the last one, though it has the same reason. */
BACKENDS(save, final_snapshot_is_taken_after_the_last_drain)
{
	struct bench b;
	struct snapshot *s;
	struct abi_region r;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	collector_snapshot_all(b.c, SNAPSHOT_ASKED);
	cr_assert_eq(loop_turn(b.loop, 0), 0);
	alloc_three_free_one(&r);
	collector_shutdown(b.c);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_eq(b.saved, 2);
	s = bench_snapshot(&b, b.last);
	assert_three_and_one(s);
	snapshot_free(s);
	bench_stop(&b);
}

BACKENDS(save, periodic_snapshots_come_and_only_the_newest_stay)
{
	struct bench b;
	struct fake p;
	char path[300];

	bench_start(&b, *backend, (struct collector_config){ .rate = 1, .interval_s = 1, .retain.keep = 1 });
	p = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, b.saved == 1);
	collector_snapshot_all(b.c, SNAPSHOT_ASKED);
	TURN_UNTIL(b.loop, b.saved == 4);
	snprintf(path, sizeof(path), "%s/s1", b.dir);
	cr_assert_eq(count_files(path, "-timer.heaptap"), 1);
	cr_assert_eq(count_files(path, "0004-timer.heaptap"), 1);
	cr_assert_eq(count_files(path, "-asked.heaptap"), 1);
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 1);
	bench_stop(&b);
}

/* The state directory is taken away; its errors are counted and tried again, then the session is let go. */
BACKENDS(save, final_snapshot_that_cannot_be_written_is_counted_and_given_up)
{
	struct bench b;
	struct fake p;
	const char *last;
	char away[200];

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, fake_ready(&p));
	remove_dir(b.dir);
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_eq(b.saved, 0);
	cr_assert_eq(collector_errors(b.c, &last), 3);
	snprintf(away, sizeof(away), "cannot write %s/s1/", b.dir);
	cr_assert_not_null(strstr(last, away), "%s", last);
	cr_assert_not_null(strstr(last, "No such file"), "%s", last);
	bench_stop(&b);
}

BACKENDS(save, final_snapshot_is_tried_again_until_the_disk_takes_it)
{
	struct bench b;
	struct fake p;
	struct snapshot *s;
	const char *last;
	char path[300];
	int fd;

	bench_start(&b, *backend, exact);
	p = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, fake_ready(&p));
	snprintf(path, sizeof(path), "%s/s1", b.dir);
	fd = open(path, O_CREAT | O_CLOEXEC | O_WRONLY, 0600); /* a file where the directory should be */
	cr_assert_geq(fd, 0);
	close(fd);
	fake_kill(&p);
	TURN_UNTIL(b.loop, collector_errors(b.c, &last) == 1);
	cr_assert_eq(unlink(path), 0);
	TURN_UNTIL(b.loop, b.ended == 1);
	s = bench_snapshot(&b, b.last);
	assert_three_and_one(s);
	snapshot_free(s);
	bench_stop(&b);
}

BACKENDS(save, symlink_in_place_of_the_directory_is_not_followed)
{
	struct bench b;
	struct fake p;
	const char *last;
	char path[300], victim[300];

	bench_start(&b, *backend, exact);
	snprintf(path, sizeof(path), "%s/s1", b.dir);
	snprintf(victim, sizeof(victim), "%s/victim", b.dir);
	cr_assert_eq(mkdir(victim, 0700), 0);
	cr_assert_eq(symlink(victim, path), 0);
	p = fake_start(b.sock, alloc_three_free_one);
	TURN_UNTIL(b.loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_eq(collector_errors(b.c, &last), 3);
	cr_assert_eq(count_files(victim, "heaptap"), 0);
	bench_stop(&b);
}

/* ASan: the loop's callback must find nobody, and leave nothing. */
BACKENDS(save, collector_may_be_freed_while_a_snapshot_is_written)
{
	struct bench b;
	struct abi_region r;

	bench_start(&b, *backend, exact);
	bench_attach_self(&b, &r);
	collector_snapshot_all(b.c, SNAPSHOT_SIGNAL);
	cr_assert_eq(loop_turn(b.loop, 0), 0);
	collector_free(b.c);
	b.c = NULL;
	for (int i = 0; i < 10; i++)
		cr_assert_eq(loop_turn(b.loop, 10), 0);
	cr_assert_eq(b.saved, 0);
	bench_stop(&b);
}
