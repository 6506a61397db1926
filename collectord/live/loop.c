/* collectord/live/loop.c - timers, whole-file writes' common part, choice of the backend; see loop.h.
 *
 * Timers live in a binary heap; the nearest deadline bounds the backend's wait, so they cost no descriptor and no
 * system call.  A turn fires each timer at most once, however short it is re-armed: descriptors get their turn. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "collectord/live/clock.h"
#include "collectord/live/loop_impl.h"

#define MAX_REPEATS 1000 /* of interrupted steps; a file system that always says EINTR is broken */

struct loop_timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	int64_t due_ns;
	size_t at; /* in the heap, 1-based; 0 = disarmed */
};

static int64_t now_ns(void)
{
	return (int64_t)clock_read_ns(CLOCK_MONOTONIC);
}

static int try_backend(struct loop *l, const struct loop_backend *b)
{
	int r = b->open(l);

	if (r == 0)
		l->backend = b;
	return r;
}

static int choose_backend(struct loop *l, struct fault *f)
{
	const char *forced = getenv("HEAPTAP_IO");
	int r;

	if (!forced || !*forced) {
		if (try_backend(l, &loop_uring) == 0)
			return 0;
		r = try_backend(l, &loop_epoll);
	} else if (!strcmp(forced, "uring")) {
		r = try_backend(l, &loop_uring);
	} else if (!strcmp(forced, "epoll")) {
		r = try_backend(l, &loop_epoll);
	} else {
		return fault_set(f, -EINVAL, "HEAPTAP_IO is \"%s\": it must be uring or epoll, or be unset",
				 forced);
	}
	if (r)
		fault_set(f, r, "the kernel refuses an event loop (%s): %s", forced && *forced ? forced : "epoll",
			  strerror(-r));
	return r;
}

int loop_new(struct loop **ret, struct fault *f)
{
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return fault_set(f, -ENOMEM, "out of memory");
	STAILQ_INIT(&l->finished);
	r = choose_backend(l, f);
	if (r) {
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static void run_finished(struct loop *l)
{
	struct write_list batch = STAILQ_HEAD_INITIALIZER(batch);
	struct loop_write *w;

	STAILQ_CONCAT(&batch, &l->finished);
	while ((w = STAILQ_FIRST(&batch))) {
		STAILQ_REMOVE_HEAD(&batch, next);
		w->fn(w->arg, w->result);
		free(w);
	}
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	l->closing = true;
	while (!l->backend->idle(l) && l->backend->wait(l, -1) == 0)
		;
	run_finished(l);
	l->backend->close(l);
	free(l->timers);
	free(l);
}

const char *loop_backend(const struct loop *l)
{
	return l->backend->name;
}

struct loop_watch *loop_watch_fd(struct loop *l, int fd, short events, void (*fn)(void *arg, short revents),
				 void *arg)
{
	struct loop_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = l;
	w->fd = fd;
	w->events = events;
	w->fn = fn;
	w->arg = arg;
	if (l->backend->watch(w)) {
		free(w);
		return NULL;
	}
	return w;
}

void loop_unwatch(struct loop_watch *w)
{
	if (!w)
		return;
	w->dead = true;
	w->loop->backend->unwatch(w);
}

static void heap_put(struct loop *l, struct loop_timer *t, size_t at)
{
	l->timers[at - 1] = t;
	t->at = at;
}

static void heap_up(struct loop *l, struct loop_timer *t, size_t at)
{
	for (; at > 1 && l->timers[at / 2 - 1]->due_ns > t->due_ns; at /= 2)
		heap_put(l, l->timers[at / 2 - 1], at);
	heap_put(l, t, at);
}

static void heap_down(struct loop *l, struct loop_timer *t, size_t at)
{
	for (;;) {
		size_t child = 2 * at;

		if (child > l->n_timers)
			break;
		if (child < l->n_timers && l->timers[child]->due_ns < l->timers[child - 1]->due_ns)
			child++;
		if (l->timers[child - 1]->due_ns >= t->due_ns)
			break;
		heap_put(l, l->timers[child - 1], at);
		at = child;
	}
	heap_put(l, t, at);
}

static void disarm(struct loop_timer *t)
{
	struct loop *l = t->loop;
	size_t at = t->at;
	struct loop_timer *last;

	if (at == 0)
		return;
	t->at = 0;
	last = l->timers[--l->n_timers];
	if (last == t)
		return;
	heap_down(l, last, at);
	heap_up(l, last, last->at);
}

/* Keeps room in the heap for every timer that exists, so that arming one cannot fail. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t;

	if (l->made_timers == l->cap_timers) {
		size_t cap = l->cap_timers ? 2 * l->cap_timers : 16;
		struct loop_timer **grown = reallocarray(l->timers, cap, sizeof(*grown));

		if (!grown)
			return NULL;
		l->timers = grown;
		l->cap_timers = cap;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	*t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg };
	l->made_timers++;
	return t;
}

void loop_timer_set(struct loop_timer *t, int64_t ms)
{
	disarm(t);
	if (ms < 0)
		return;
	t->due_ns = now_ns() + ms * 1000000;
	heap_up(t->loop, t, ++t->loop->n_timers);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	disarm(t);
	t->loop->made_timers--;
	free(t);
}

static void run_timers(struct loop *l)
{
	int64_t now = now_ns();

	for (size_t left = l->n_timers; left && l->n_timers && l->timers[0]->due_ns <= now; left--) {
		struct loop_timer *t = l->timers[0];

		disarm(t);
		t->fn(t->arg);
	}
}

/* How long the backend may sleep: the caller's limit or the nearest timer, whichever is first. */
static int64_t sleep_ns(const struct loop *l, int timeout_ms)
{
	int64_t limit = timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000000;
	int64_t timer;

	if (!STAILQ_EMPTY(&l->finished))
		return 0;
	if (!l->n_timers)
		return limit;
	timer = l->timers[0]->due_ns - now_ns();
	if (timer < 0)
		timer = 0;
	return limit < 0 || timer < limit ? timer : limit;
}

int loop_turn(struct loop *l, int timeout_ms)
{
	int r = l->backend->wait(l, sleep_ns(l, timeout_ms));

	run_finished(l);
	run_timers(l);
	return r;
}

static struct loop_write *write_new(struct loop *l, const char *name)
{
	size_t n = strlen(name) + 1, room = n + 32;
	struct loop_write *w = calloc(1, sizeof(*w) + n + room);
	uint64_t salt = 0;

	if (!w)
		return NULL;
	w->loop = l;
	w->fd = -1;
	memcpy(w->name, name, n);
	w->temporary = w->name + n;
	/* Unguessable, so that nobody can put something there first; O_EXCL is the guarantee. */
	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		salt = (uint64_t)now_ns();
	snprintf(w->temporary, room, ".%s.%016llx.tmp", name, (unsigned long long)salt);
	return w;
}

static void drop_bytes(void *buf, size_t len, bool is_mapped)
{
	if (is_mapped)
		munmap(buf, len);
	else
		free(buf);
}

static void begin_write(struct loop *l, int dirfd, const char *name, unsigned mode, void *buf, size_t len,
			bool is_mapped, void (*fn)(void *arg, int result), void *arg)
{
	struct loop_write *w = write_new(l, name);

	if (!w) {
		drop_bytes(buf, len, is_mapped);
		fn(arg, -ENOMEM);
		return;
	}
	w->mode = mode;
	w->buf = buf;
	w->len = len;
	w->is_mapped = is_mapped;
	w->fn = fn;
	w->arg = arg;
	w->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (w->dirfd < 0)
		loop_write_finished(w, -errno);
	else
		l->backend->write(w);
}

void loop_write_file(struct loop *l, int dirfd, const char *name, unsigned mode, void *buf, size_t len,
		     void (*fn)(void *arg, int result), void *arg)
{
	begin_write(l, dirfd, name, mode, buf, len, false, fn, arg);
}

void loop_write_mapping(struct loop *l, int dirfd, const char *name, unsigned mode, void *map, size_t len,
			void (*fn)(void *arg, int result), void *arg)
{
	begin_write(l, dirfd, name, mode, map, len, true, fn, arg);
}

/* 1: another attempt; -EIO: one too many; 0: `res` is an outcome. */
static int repeats(struct loop_write *w, int res)
{
	if (res != -EINTR && res != -EAGAIN && res != -ECANCELED)
		return 0;
	return ++w->repeats < MAX_REPEATS ? 1 : -EIO;
}

int loop_write_opened(struct loop_write *w, int res)
{
	int r = repeats(w, res);

	if (r)
		return r;
	if (res >= 0)
		w->fd = res;
	return res < 0 ? res : 1;
}

int loop_write_step(struct loop_write *w, int res)
{
	int r = repeats(w, res);

	if (r)
		return r;
	/* Some file systems cannot sync a directory; their rename is as durable as they make it. */
	if (w->step == WRITE_SYNC_DIR && (res == -EINVAL || res == -ENOTSUP))
		res = 0;
	if (res < 0)
		return res;
	if (w->step == WRITE_DATA) {
		if (res == 0 && w->written < w->len)
			return -ENOSPC;
		w->written += (size_t)res;
		if (w->written < w->len)
			return 1;
	}
	return ++w->step < WRITE_STEPS ? 1 : 0;
}

void loop_write_finished(struct loop_write *w, int result)
{
	if (w->fd >= 0) {
		close(w->fd);
		if (result && w->step <= WRITE_RENAME)
			unlinkat(w->dirfd, w->temporary, 0);
	}
	if (w->dirfd >= 0)
		close(w->dirfd);
	drop_bytes(w->buf, w->len, w->is_mapped);
	w->result = result;
	STAILQ_INSERT_TAIL(&w->loop->finished, w, next);
}
