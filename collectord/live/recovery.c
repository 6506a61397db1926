/* collectord/live/recovery.c - see recovery.h. */
#include "collectord/live/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/live/clock.h"
#include "collectord/live/collector_impl.h"
#include "collectord/live/retain.h"

#define SLICE_NS 5000000u /* of processor time */
#define MIN_RETRY_MS 10u  /* without memory: twice as long each time */
#define MAX_RETRY_MS 1000u

bool recovery_is_busy(const struct collector *c)
{
	return c->recovery.n_left > 0;
}

static void lose(struct collector *c, const char *name, const char *text)
{
	retain_hold_session(c->env.save.retain, session_kept_id(name));
	collector_say(c, true, "%.*s ends with the collector before, its last snapshot stays: %s", KEEPER_NAME_SIZE,
		      name, text);
}

static void on_lost(void *arg, const char *name, const char *text)
{
	lose(arg, name, text);
}

static void on_pair(void *arg, const char *name, int region_fd, int state_fd)
{
	struct collector *c = arg;
	struct left *l = &c->recovery.left[c->recovery.n_left++];
	uint64_t id = session_kept_id(name);

	strncpy(l->name, name, sizeof(l->name) - 1);
	l->region = region_fd;
	l->state = state_fd;
	if (id > c->last_id && id < UINT64_MAX)
		c->last_id = id;
}

/* --- one of them -----------------------------------------------------------------------------------------------
 */

/* There may be what is missing when others have ended. */
static bool may_pass(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* Copies of the descriptors are the session's: it may have to be tried again. */
static int begin_next(struct collector *c, struct fault *f)
{
	const struct left *l = &c->recovery.left[c->recovery.n_left - 1];
	int region = fcntl(l->region, F_DUPFD_CLOEXEC, 3), state = fcntl(l->state, F_DUPFD_CLOEXEC, 3);

	if (region >= 0 && state >= 0)
		return session_recover(&c->env, region, state, &c->recovery.at_work, f);
	if (region >= 0)
		close(region);
	if (state >= 0)
		close(state);
	return fault_set(f, -EMFILE, "no descriptors");
}

static void forget_at_work(struct recovery *y)
{
	if (y->at_work)
		state_end_work(y->at_work->state);
	session_free(y->at_work);
	y->at_work = NULL;
}

/* Others first; what made room for them may make room for it. */
static void put_back(struct recovery *y)
{
	const struct left last = y->left[y->n_left - 1];

	memmove(y->left + 1, y->left, (y->n_left - 1) * sizeof(*y->left));
	y->left[0] = last;
	y->n_short++;
}

static void close_next(struct recovery *y)
{
	y->n_left--;
	close(y->left[y->n_left].region);
	close(y->left[y->n_left].state);
}

static void refuse(struct collector *c, const char *text)
{
	struct recovery *y = &c->recovery;
	const struct left *l = &y->left[y->n_left - 1];

	session_detach(l->region);
	c->config.keeper->forget(c->config.keeper->arg, l->name);
	lose(c, l->name, text);
	session_free(y->at_work);
	y->at_work = NULL;
	close_next(y);
}

/* Processes that have executed another program since, before their old session was there to hear of it. */
static void end_callers(const struct recovery *y, struct session *s)
{
	for (size_t i = 0; i < y->n_callers; i++) {
		struct process *p = session_find_pid(s, y->callers[i]);

		if (p)
			process_end(p, SNAPSHOT_EXIT);
	}
}

static void want_all(unsigned wanted, struct session *s)
{
	struct process *p;

	if (wanted)
		session_drain_now(s);
	LIST_FOREACH(p, &s->processes, link)
	{
		for (unsigned why = 0; p->state == PROCESS_LIVE && wanted >> why; why++)
			if (wanted >> why & 1)
				saver_want(&p->saver, why);
	}
}

static void go_on(struct collector *c)
{
	struct recovery *y = &c->recovery;
	struct session *s = y->at_work;

	y->at_work = NULL;
	y->n_done++;
	y->n_short = 0;
	y->retry_ms = 0;
	close_next(y);
	session_resume(s);
	end_callers(y, s);
	want_all(y->wanted, s);
}

/* Work on the next one until it is done or the time is up.  0; -EAGAIN: it is not done; -ENOMEM: not now. */
static int step(struct collector *c, uint64_t until_ns)
{
	struct recovery *y = &c->recovery;
	struct fault f = { "" };
	int r = y->at_work ? 0 : begin_next(c, &f);

	if (!r)
		r = session_replay(y->at_work, until_ns, &f);
	if (r == -EAGAIN)
		return r;
	if (!r)
		r = collector_add(c, y->at_work);
	if (!r) {
		go_on(c);
	} else if (may_pass(r)) {
		forget_at_work(y);
		put_back(y);
		return y->n_short < y->n_left ? 0 : -ENOMEM;
	} else {
		refuse(c, f.text);
	}
	return 0;
}

/* --- all of them -----------------------------------------------------------------------------------------------
 */

static void finish(struct collector *c)
{
	size_t n = c->recovery.n_done;

	recovery_stop(c);
	retain_wait(c->env.save.retain, false);
	if (n)
		collector_say(c, false, "went on with %zu session%s of the collector before", n, n == 1 ? "" : "s");
}

static uint32_t retry_ms(struct recovery *y)
{
	uint32_t ms = 2 * y->retry_ms;

	y->n_short = 0;
	y->retry_ms = ms < MIN_RETRY_MS ? MIN_RETRY_MS : ms > MAX_RETRY_MS ? MAX_RETRY_MS : ms;
	return y->retry_ms;
}

static void on_slice(void *arg)
{
	struct collector *c = arg;
	uint64_t until = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) + SLICE_NS;
	int r = 0;

	while (!r && recovery_is_busy(c) && clock_read_ns(CLOCK_THREAD_CPUTIME_ID) < until)
		r = step(c, until);
	if (recovery_is_busy(c))
		loop_timer_set(c->recovery.timer, r == -ENOMEM ? retry_ms(&c->recovery) : 0);
	else
		finish(c);
}

int recovery_begin(struct collector *c)
{
	struct recovery *y = &c->recovery;

	if (!c->keep || !c->config.n_kept)
		return 0;
	y->left = calloc(c->config.n_kept, sizeof(*y->left));
	y->timer = loop_timer_new(c->env.loop, on_slice, c);
	if (!y->left || !y->timer)
		return -ENOMEM;
	retain_wait(c->env.save.retain, true);
	if (keep_sort(c->config.keeper, c->config.kept, c->config.n_kept, on_pair, on_lost, c))
		return -ENOMEM;
	on_slice(c);
	return 0;
}

void recovery_stop(struct collector *c)
{
	struct recovery *y = &c->recovery;

	forget_at_work(y);
	while (y->n_left)
		close_next(y);
	free(y->left);
	free(y->callers);
	y->left = NULL;
	y->callers = NULL;
	y->n_callers = y->room = 0;
	if (y->timer)
		loop_timer_set(y->timer, -1);
}

int recovery_note_caller(struct collector *c, uint32_t pid)
{
	struct recovery *y = &c->recovery;
	size_t room = y->room ? 2 * y->room : 256;
	uint32_t *grown;

	if (!recovery_is_busy(c))
		return 0;
	if (y->n_callers == y->room) {
		grown = reallocarray(y->callers, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		y->callers = grown;
		y->room = room;
	}
	y->callers[y->n_callers++] = pid;
	return 0;
}

void recovery_want(struct collector *c, enum snapshot_reason why)
{
	if (recovery_is_busy(c))
		c->recovery.wanted |= 1u << why;
}
