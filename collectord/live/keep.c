/* collectord/live/keep.c - see keep.h. */
#include "collectord/live/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "collectord/live/session.h"
#include "common/testpoint.h"

#define WAIT_MS 20

struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct session *session;
	struct peer peer;
	bool is_covered; /* by the barrier under way */
};

struct keep {
	struct loop *loop;
	const struct keeper *keeper;
	void (*on_kept)(void *arg, struct session *s, struct peer *peer);
	void *arg;
	TAILQ_HEAD(, waiter) waiters;
	struct loop_timer *deadline;
	bool is_waiting; /* a barrier is under way, or its deadline is */
	int barrier;     /* or -1 */
	struct loop_watch *heard;
};

static void end_barrier(struct keep *k)
{
	loop_unwatch(k->heard);
	k->heard = NULL;
	if (k->barrier >= 0)
		close(k->barrier);
	k->barrier = -1;
	k->is_waiting = false;
	loop_timer_set(k->deadline, -1);
}

static void waiter_free(struct keep *k, struct waiter *w)
{
	TAILQ_REMOVE(&k->waiters, w, link);
	if (w->peer.sock >= 0)
		close(w->peer.sock);
	free(w);
}

/* on_kept may end sessions, others' too. */
static void release(struct keep *k, bool all)
{
	struct waiter *w;

	while ((w = TAILQ_FIRST(&k->waiters)) && (all || w->is_covered)) {
		struct session *s = w->session;

		w->session = NULL;
		k->on_kept(k->arg, s, &w->peer);
		waiter_free(k, w);
	}
}

static void begin_barrier(struct keep *k);

static void go_on(struct keep *k)
{
	end_barrier(k);
	release(k, false);
	if (!TAILQ_EMPTY(&k->waiters) && !k->is_waiting)
		begin_barrier(k);
}

static void on_heard(void *arg, short revents)
{
	(void)revents;
	go_on(arg);
}

static void on_deadline(void *arg)
{
	go_on(arg);
}

/* Without a barrier the deadline is one. */
static void begin_barrier(struct keep *k)
{
	struct waiter *w;

	k->is_waiting = true;
	if (k->keeper->barrier(k->keeper->arg, &k->barrier) == 0)
		k->heard = loop_watch_fd(k->loop, k->barrier, POLLIN, on_heard, k);
	TAILQ_FOREACH(w, &k->waiters, link)
	{
		w->is_covered = true;
	}
	loop_timer_set(k->deadline, WAIT_MS);
}

int keep_new(struct loop *loop, const struct keeper *keeper,
	     void (*on_kept)(void *arg, struct session *s, struct peer *peer), void *arg, struct keep **ret)
{
	struct keep *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	*k = (struct keep){ .loop = loop, .keeper = keeper, .on_kept = on_kept, .arg = arg, .barrier = -1 };
	TAILQ_INIT(&k->waiters);
	k->deadline = loop_timer_new(loop, on_deadline, k);
	if (!k->deadline) {
		free(k);
		return -ENOMEM;
	}
	*ret = k;
	return 0;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	while (!TAILQ_EMPTY(&k->waiters))
		waiter_free(k, TAILQ_FIRST(&k->waiters));
	end_barrier(k);
	loop_timer_free(k->deadline);
	free(k);
}

void keep_session(struct keep *k, struct session *s, struct peer *peer)
{
	const int fds[] = { s->region.memfd, state_fd(s->state) };
	struct waiter *w = calloc(1, sizeof(*w));
	char name[KEEPER_NAME_SIZE];

	session_kept_name(s->id, name);
	TEST_POINT(keep_before);
	k->keeper->store(k->keeper->arg, name, fds, ARRAY_SIZE(fds));
	TEST_POINT(keep_stored);
	if (!w) { /* it hears nothing, and is not recorded */
		session_desert(s);
		return;
	}
	w->session = s;
	w->peer = *peer;
	peer->sock = -1;
	TAILQ_INSERT_TAIL(&k->waiters, w, link);
	if (!k->is_waiting)
		begin_barrier(k);
}

void keep_forget(struct keep *k, struct session *s)
{
	char name[KEEPER_NAME_SIZE];
	struct waiter *w, *next;

	for (w = TAILQ_FIRST(&k->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->session == s)
			waiter_free(k, w);
	}
	if (!s->state)
		return;
	session_kept_name(s->id, name);
	k->keeper->forget(k->keeper->arg, name);
	TEST_POINT(keep_forgotten);
}

void keep_hurry(struct keep *k)
{
	end_barrier(k);
	release(k, true);
}

/* --- what a predecessor left ------------------------------------------------------------------------------- */

/* A region is sealed against shrinking before anybody else has it, and a state never is. */
static bool is_region(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && seals & F_SEAL_SHRINK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct kept *)a)->name, ((const struct kept *)b)->name);
}

/* A region and a state, in this order.  Others are closed. */
static bool take_pair(const struct kept *same, size_t n, int pair[2])
{
	if (n == 2 && is_region(same[0].fd) != is_region(same[1].fd)) {
		bool turned = is_region(same[1].fd);

		pair[0] = same[turned].fd;
		pair[1] = same[!turned].fd;
		return true;
	}
	for (size_t i = 0; i < n; i++)
		close(same[i].fd);
	return false;
}

int keep_sort(const struct keeper *keeper, const struct kept *kept, size_t n,
	      void (*on_pair)(void *arg, const char *name, int region_fd, int state_fd),
	      void (*say)(void *arg, const char *name, const char *text), void *arg)
{
	struct kept *sorted = reallocarray(NULL, n + 1, sizeof(*sorted));
	size_t same;
	int pair[2];

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, kept, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i += same) {
		for (same = 1; i + same < n && !by_name(&sorted[i], &sorted[i + same]);)
			same++;
		if (take_pair(&sorted[i], same, pair)) {
			on_pair(arg, sorted[i].name, pair[0], pair[1]);
			continue;
		}
		keeper->forget(keeper->arg, sorted[i].name);
		say(arg, sorted[i].name, "not all of it was kept");
	}
	free(sorted);
	return 0;
}
