/* collectord/live/session_state.c - a session's checkpoints, and how it goes on after its collector was killed.
 *
 * Recovery is the checkpoint, then the log onto it by the very functions that entered it the first time, then what
 * those who were committed still have to do to the region.  Stacks are read out of the region again: they never
 * change, unless their program is hostile, and then it only harms its own books.  Whatever is wrong refuses the
 * session. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/parts.h"
#include "collectord/live/records.h"
#include "collectord/live/session.h"
#include "common/testpoint.h"

struct packed_session {
	uint64_t id, epoch_ns, region_ino;
	struct abi_geometry geo;
	uint32_t uid, rate, max_depth;
	uint32_t rate_changed, is_nested, is_over;
	uint32_t by_thread, n_threads;
	uint32_t n_numbers, n_processes;
	char exe[sizeof(((struct session *)0)->exe)];
	char cmdline[sizeof(((struct session *)0)->cmdline)];
	char allocator[sizeof(((struct session *)0)->allocator)];
};

static_assert(sizeof(struct packed_session) == 2280, "it grows at its end, and with STATE_MINOR");

void session_kept_name(uint64_t id, char buf[KEEPER_NAME_SIZE])
{
	snprintf(buf, KEEPER_NAME_SIZE, KEEPER_NAME_PREFIX "%llu", (unsigned long long)id);
}

uint64_t session_kept_id(const char *name)
{
	size_t n = strlen(KEEPER_NAME_PREFIX);

	return strncmp(name, KEEPER_NAME_PREFIX, n) == 0 ? strtoull(name + n, NULL, 10) : 0;
}

static uint64_t inode_of(int fd)
{
	struct stat st = { .st_ino = 0 };

	fstat(fd, &st);
	return st.st_ino;
}

/* --- checkpoints ------------------------------------------------------------------------------------------- */

static void pack(const struct session *s, struct pack_writer *w)
{
	struct packed_session head = {
		.id = s->id,
		.epoch_ns = s->epoch_ns,
		.region_ino = inode_of(s->region.memfd),
		.geo = s->region.map.geo,
		.uid = s->uid,
		.rate = s->rate,
		.max_depth = s->max_depth,
		.rate_changed = s->rate_changed,
		.is_nested = s->is_nested,
		.by_thread = s->by_thread,
		.n_threads = s->threads.n,
		.is_over = s->is_over,
		.n_numbers = s->n_numbers,
	};
	const struct process *p;

	memcpy(head.exe, s->exe, sizeof(head.exe));
	memcpy(head.cmdline, s->cmdline, sizeof(head.cmdline));
	memcpy(head.allocator, s->allocator, sizeof(head.allocator));
	LIST_FOREACH(p, &s->processes, link)
	{
		head.n_processes++;
	}
	part_put(w, PART_SESSION, &head, sizeof(head), 0);
	part_end(w);
	TEST_NEXT(part_put(w, (enum part_kind)TEST_NEXT_KIND, "a word", 8, 0); part_end(w);)
	part_put_array(w, PART_THREADS, sizeof(*s->threads.all), s->threads.n);
	pack_put(w, s->threads.all, s->threads.n * sizeof(*s->threads.all));
	part_end(w);
	drain_pack(&s->drain, w);
	LIST_FOREACH(p, &s->processes, link)
	{
		process_pack(p, w);
	}
}

int session_checkpoint(struct session *s)
{
	struct pack_writer *w = malloc(sizeof(*w));
	int r = w ? state_begin_checkpoint(s->state, w) : -ENOMEM;

	if (!r) {
		pack(s, w);
		r = state_flip(s->state, w);
	}
	free(w);
	return r;
}

/* The log must not go on without room: a successor would believe what is only half of it. */
static void give_up(struct session *s, int r)
{
	struct save_env *env = &s->env->save;
	char name[KEEPER_NAME_SIZE];

	env->errors++;
	snprintf(env->last_error, sizeof(env->last_error), "session %llu would not survive this collector: %s",
		 (unsigned long long)s->id, strerror(-r));
	session_kept_name(s->id, name);
	s->env->keeper->forget(s->env->keeper->arg, name);
	s->drain.state = NULL;
	state_free(s->state);
	s->state = NULL;
}

void session_commit(struct session *s)
{
	if (!s->state)
		return;
	TEST_NEXT(state_add(s->state, (enum record_kind)TEST_NEXT_KIND, 24);)
	state_commit(s->state);
	if (state_is_void(s->state))
		give_up(s, -ENOSPC);
	else if (state_wants_checkpoint(s->state) && session_checkpoint(s))
		state_put_off(s->state);
	state_end_work(s->state);
}

/* --- reading a checkpoint ------------------------------------------------------------------------------------ */

static bool is_text(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static bool is_sound(const struct packed_session *h)
{
	return h->id && h->rate <= ABI_MAX_RATE && h->max_depth <= ABI_MAX_DEPTH &&
	       h->n_processes <= h->n_numbers && is_text(h->exe, sizeof(h->exe)) &&
	       is_text(h->cmdline, sizeof(h->cmdline)) && is_text(h->allocator, sizeof(h->allocator));
}

static void take(struct session *s, const struct packed_session *h)
{
	s->epoch_ns = h->epoch_ns;
	s->uid = h->uid;
	s->rate = h->rate;
	s->max_depth = h->max_depth;
	s->rate_changed = h->rate_changed != 0;
	s->is_nested = h->is_nested != 0;
	s->by_thread = h->by_thread != 0;
	s->is_over = h->is_over != 0;
	s->n_numbers = h->n_numbers;
	memcpy(s->exe, h->exe, sizeof(s->exe));
	memcpy(s->cmdline, h->cmdline, sizeof(s->cmdline));
	memcpy(s->allocator, h->allocator, sizeof(s->allocator));
}

/* Names of threads, those of the dead among them. */
static int unpack_threads(struct session *s, uint32_t n, struct pack_reader *r)
{
	void *from = NULL;
	int e = n > THREADS_MAX ? -EBADMSG
				: part_get_array(r, PART_THREADS, n, sizeof(struct thread_name), n, &from);

	if (!e)
		e = session_take_threads(s, from, n);
	free(from);
	return e;
}

static int unpack_processes(struct session *s, uint32_t n, struct pack_reader *r)
{
	struct process *p;
	int e = 0;

	for (uint32_t i = 0; !e && i < n; i++) {
		e = process_unpack(s, r, &p);
		if (e)
			break;
		e = session_reserve(s, p->ordinal);
		if (e) {
			process_free(p);
			break;
		}
		session_add(s, p);
		drain_remember(&s->drain, &p->ledger);
	}
	return e;
}

/* Fails with a session or without one; who frees that leaves region_fd to the caller. */
static int unpack(struct session_env *env, int region_fd, struct pack_reader *r, struct session **ret)
{
	struct packed_session head;
	struct session *s;
	bool mine;
	int e = part_get(r, PART_SESSION, &head, sizeof(head));

	if (!e && (!is_sound(&head) || head.region_ino != inode_of(region_fd)))
		e = -EBADMSG;
	if (e)
		return e;
	part_leave(r);
	s = session_allocate(env, head.id);
	if (!s)
		return -ENOMEM;
	take(s, &head);
	e = region_adopt(region_fd, &head.geo, s->id, s->epoch_ns, &s->region, &mine);
	if (e) {
		session_free(s);
		return e;
	}
	*ret = s;
	s->is_private = mine;
	e = session_init_drain(s);
	if (!e)
		e = unpack_threads(s, head.n_threads, r);
	if (!e)
		e = drain_unpack(&s->drain, r);
	if (!e)
		e = unpack_processes(s, head.n_processes, r);
	return e ? e : part_finish(r);
}

/* --- recovery ---------------------------------------------------------------------------------------------- */

static const char *why(int r)
{
	switch (r) {
	case -EPROTO:
		return "another version of the collector wrote its state, in a format that this one cannot read";
	case -ENODATA:
		return "its program had not attached yet";
	case -ELOOP:
		return "reading its state has ended this collector before";
	case -EBADMSG:
		return "its state is damaged";
	default:
		return strerror(-r);
	}
}

static int read_checkpoint(struct session_env *env, int region_fd, struct state *st, struct session **ret)
{
	struct pack_reader reader = { .is_format_2 = state_is_format_2(st) };
	const void *bytes;
	size_t size;
	int r = state_checkpoint(st, &bytes, &size);

	if (!r) {
		reader.p = bytes;
		reader.end = reader.p + size;
		r = unpack(env, region_fd, &reader, ret);
	}
	state_done_reading(st);
	return r;
}

/* Its program goes on for nobody: let it know.  The control page is where every version of this major has it. */
void session_detach(int region_fd)
{
	const uint32_t yes = 1;
	struct abi_header h;

	if (pread(region_fd, &h, sizeof(h), 0) != sizeof(h) || h.magic != ABI_MAGIC || h.major != ABI_MAJOR)
		return;
	if (pwrite(region_fd, &yes, sizeof(yes), ABI_PAGE + offsetof(struct abi_control, detached)) < 0)
		return; /* sealed: nobody has it */
}

int session_recover(struct session_env *env, int region_fd, int state_fd, struct session **ret, struct fault *f)
{
	struct session *s = NULL;
	struct state *st = NULL;
	int r = state_open(state_fd, &st);

	if (r)
		close(state_fd);
	else
		r = read_checkpoint(env, region_fd, st, &s);
	if (!r) {
		s->state = st;
		*ret = s;
		return 0;
	}
	if (!s || s->region.memfd < 0)
		close(region_fd);
	session_free(s);
	if (r == -ENOMEM)
		state_end_work(st);
	state_free(st);
	return fault_set(f, r, "%s", why(r));
}

int session_replay(struct session *s, uint64_t until_ns, struct fault *f)
{
	int r = session_replay_log(s, s->state, until_ns);
	struct process *p;

	LIST_FOREACH(p, &s->processes, link)
	{
		if (!r)
			r = process_reopen(p);
	}
	if (r)
		return r == -EAGAIN ? r : fault_set(f, r, "%s", why(r));
	state_take_over(s->state);
	s->drain.state = s->state;
	return 0;
}

/* Nobody has it, and nobody came to claim an entry in it: killed in the middle of a handshake. */
static bool was_never_attached(struct session *s)
{
	int r = load_relaxed(&s->region.map.cursors->procs) ? 0 : region_is_ours(&s->region);

	s->is_lost |= r < 0;
	return r != 0;
}

static void restore_control(struct session *s)
{
	store_relaxed(&s->region.map.control->rate, s->rate);
	store_relaxed(&s->region.map.control->max_depth, s->max_depth);
	store_relaxed(&s->region.map.control->threads, s->by_thread);
	store_relaxed(&s->region.map.control->detached, s->is_over);
}

void session_resume(struct session *s)
{
	struct process *p, *next;

	drain_resume(&s->drain);
	restore_control(s);
	s->is_busy = true; /* the last of its processes may be forgotten here */
	for (p = LIST_FIRST(&s->processes); p; p = next) {
		next = LIST_NEXT(p, link);
		process_resume(p);
	}
	s->is_busy = false;
	if (s->is_private || was_never_attached(s))
		session_desert(s);
	session_look_soon(s);
	state_end_work(s->state);
}
