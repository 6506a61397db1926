/* tests/unit/test_control_unread.c - answers that nobody reads: what they cost the collector is bounded, and
 * theirs.
 *
 * Whoever asks may keep all it was sent for ever, without reading it and with its own end shut. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "collectord/live/collector_impl.h"
#include "collectord/live/control_impl.h"
#include "tests/unit/control_fixture.h"

enum { STACKS = 2000, DEEP = 300, MANY = 200, A_USERS = 64 };

static const struct collector_config exact = { .rate = 1 };

/* A program whose snapshot is more than a socket holds, but small enough to be encoded at once. */
static struct control_request large(struct bench *b, struct abi_region *r)
{
	struct control_request q = good_request(CONTROL_FETCH);

	bench_attach_self(b, r);
	for (unsigned i = 0; i < STACKS; i++) {
		struct abi_event e = event(ABI_EVENT_ALLOC, 3, 1, shim_stack(r, 0x1000 + 512 * i, DEEP));

		shim_emit(r, &e);
	}
	collector_drain_all(b->c);
	q.pid = (uint32_t)getpid();
	return q;
}

static unsigned askers(const struct bench *b, bool left)
{
	const struct asker *a;
	unsigned n = 0;

	TAILQ_FOREACH(a, &b->c->control->askers, link)
	{
		n += a->is_left == left;
	}
	return n;
}

static unsigned open_memfds(void)
{
	DIR *d = opendir("/proc/self/fd");
	char path[300], to[64];
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d))) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		len = readlink(path, to, sizeof(to) - 1);
		to[len > 0 ? len : 0] = '\0';
		n += strstr(to, "heaptap snapshot") != NULL;
	}
	closedir(d);
	return n;
}

BACKENDS(control_unread, a_large_snapshot_arrives_whole)
{
	struct control_request q;
	struct snapshot *s;
	struct abi_region r;
	struct bench b;
	struct fault f;
	struct reply a;
	char path[64];

	bench_start(&b, *backend, exact);
	q = large(&b, &r);
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), 0);
	cr_assert_gt(a.records[0].profile.size, 8 * CONTROL_CHUNK);
	cr_assert_eq(lseek(a.fd, 0, SEEK_END), (off_t)a.records[0].profile.size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", a.fd);
	cr_assert_eq(snapshot_read_file(path, &s, &f), 0, "%s", f.text);
	cr_assert_eq(s->total.allocs, STACKS);
	snapshot_free(s);
	close(a.fd);
	TURN_UNTIL(b.loop, askers(&b, true) + askers(&b, false) == 0);
	bench_stop(&b);
}

/* Every answer that is left is an asker of its user, up to a number; then nobody is told anything. */
static void leave_many(struct bench *b, const struct control_request *q, int *socks)
{
	for (int i = 0; i < MANY; i++) {
		socks[i] = shim_connect(b->sock);
		cr_assert_geq(socks[i], 0);
		if (send(socks[i], q, sizeof(*q), MSG_NOSIGNAL) < 0)
			cr_assert_eq(errno, EPIPE);
		for (int k = 0; k < 3; k++)
			cr_assert_eq(loop_turn(b->loop, 0), 0);
		shutdown(socks[i], SHUT_RDWR);
		cr_assert_leq(askers(b, true) + askers(b, false), A_USERS);
	}
	TURN_UNTIL(b->loop, askers(b, false) == 0);
}

static void unread(const char *backend, uint32_t verb)
{
	struct control_request q;
	unsigned messages = 0;
	struct abi_region r;
	int socks[MANY];
	struct bench b;
	struct reply a;
	char byte;

	bench_start(&b, backend, exact);
	q = large(&b, &r);
	q.verb = verb;
	leave_many(&b, &q, socks);
	cr_assert_eq(open_memfds(), 0, "no snapshot is kept for them");
	for (int i = 0; i < MANY; i++)
		messages += recv(socks[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
	cr_assert_leq(messages, A_USERS, "what they hold of ours");
	cr_assert_eq(askers(&b, true), messages, "and all of it is known");
	for (int i = 0; i < MANY; i++)
		close(socks[i]);
	TURN_UNTIL(b.loop, askers(&b, true) == 0);
	a = ask_bench(&b, &q);
	cr_assert_eq(reply_error(&a), 0);
	bench_stop(&b);
}

BACKENDS(control_unread, snapshots_nobody_reads_are_bounded)
{
	unread(*backend, CONTROL_FETCH);
}

BACKENDS(control_unread, small_answers_nobody_reads_are_bounded)
{
	unread(*backend, CONTROL_LIST);
}

/* Bytes in sockets, and in memory for them. */
BACKENDS(control_unread, one_users_snapshots_on_their_way_are_few)
{
	uint64_t size, most = 0, sum;
	struct control_request q;
	struct abi_region r;
	const struct asker *a;
	int socks[16];
	struct bench b;
	struct reply one;

	bench_start(&b, *backend, exact);
	q = large(&b, &r);
	one = ask_bench(&b, &q);
	size = one.records[0].profile.size;
	close(one.fd);
	for (int i = 0; i < 16; i++)
		socks[i] = ask_begin(&b, &q, sizeof(q));
	for (double limit = seconds() + 2; seconds() < limit;) {
		cr_assert_eq(loop_turn(b.loop, 20), 0);
		sum = 0;
		TAILQ_FOREACH(a, &b.c->control->askers, link)
		{
			int unsent = 0;

			sum += a->size;
			cr_assert_eq(ioctl(a->sock, SIOCOUTQ, &unsent), 0);
			cr_assert_leq(unsent, 256 << 10);
		}
		most = sum > most ? sum : most;
	}
	cr_assert_leq(most, (8u << 20) + size);
	cr_assert_gt(16 * size, (8u << 20) + size, "else this shows nothing");
	for (int i = 0; i < 16; i++)
		close(socks[i]);
	TURN_UNTIL(b.loop, askers(&b, true) + askers(&b, false) == 0);
	bench_stop(&b);
}
