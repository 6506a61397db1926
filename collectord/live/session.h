/* collectord/live/session.h - one executed program that shook hands, and the children it forks: they share a
 * region.
 *
 * It lasts as long as one of its processes is watched or is being saved, and then until nobody has the region
 * mapped: a child that has sampled nothing yet is not known.  Corrupt lanes and a shutdown end all its processes.
 * All of it in loop callbacks, one thread.  A session owns region, drain and processes; it frees itself at the end
 * and says so by env.on_gone.  What it borrows stands in struct session_env. */
#pragma once

#include <sys/queue.h>

#include "collectord/live/collector.h"
#include "collectord/live/drain.h"
#include "collectord/live/keeper.h"
#include "collectord/live/listen.h"
#include "collectord/live/process.h"
#include "collectord/live/region.h"
#include "collectord/live/save.h"
#include "collectord/live/threads.h"

/* What the collector lends to all its sessions. */
struct session_env {
	struct loop *loop;
	struct idle *idle;
	struct census *census;
	const struct collector_config *config;
	struct drain_scratch *scratch;
	struct save_env save;
	const struct keeper *keeper;                   /* NULL: sessions end with their collector */
	void (*on_gone)(struct session *s, void *arg); /* the last thing a session does */
	void *arg;
};

struct idle_list;

struct session {
	LIST_ENTRY(session) link;       /* the collector's */
	TAILQ_ENTRY(session) idle_link; /* idle.c's, like the next two */
	struct idle_list *idle;         /* whose timer is ours; NULL: drain_timer is armed */
	uint32_t idle_looks;
	struct session_env *env;
	uint64_t id, epoch_ns; /* CLOCK_MONOTONIC */
	uint32_t uid, rate, max_depth;
	bool rate_changed; /* collector_change() */
	bool by_thread;    /* now */
	struct threads threads;
	uint64_t next_names_ns; /* when it is time to read their names again */
	char exe[sizeof(((struct hello *)0)->exe)];
	char cmdline[sizeof(((struct hello *)0)->cmdline)];
	char allocator[sizeof(((struct hello *)0)->allocator)];
	struct shared_region region;
	size_t replayed;     /* of the log, when it is read back */
	struct state *state; /* NULL: nothing outlives the collector */
	struct drain drain;
	struct loop_timer *drain_timer;
	uint32_t drain_ms;     /* until the next pass */
	uint64_t next_look_ns; /* when it is time to see whether anybody has the region */
	LIST_HEAD(, process) processes;
	struct process **by_ordinal; /* those whose entry is not given back */
	uint32_t n_by_ordinal;       /* room: as far as entries were taken up */
	uint32_t n_numbers;          /* processes so far */
	uint32_t claims_seen;        /* entries taken, when they were last looked through */
	bool claims_open;            /* one of them was not filled in yet */
	bool is_nested;              /* some process has another pid than it knows of: session_is_nested() */
	bool is_nested_known;        /* it was looked for */
	uint64_t search_debt_ns;     /* for processor time taken by searches for processes, at search_at_ns */
	uint64_t search_at_ns;
	bool is_over_limit; /* its user's programs took too much: it was chosen to end */
	bool is_over;       /* no more events, no more processes */
	bool is_private;    /* no program can write into the region any more, ours is a copy */
	bool is_lost;       /* our mapping of the region is: nothing can be saved any more */
	bool is_busy;       /* in its drain callback, or resuming: not to be freed */
};

/* Make a session for a peer whose hello was accepted and start its timers; takes peer->pidfd over.  0 or -errno. */
int session_new(struct session_env *env, uint64_t id, struct peer *peer, const struct hello *h,
		struct session **ret);

/* At once, without a final snapshot or on_gone: the client never attached, or the collector is freed. */
void session_free(struct session *s); /* takes NULL and half-made ones */

/* No more events: drain what is there, take the final snapshots, be gone.  A second call changes nothing. */
void session_end(struct session *s);

/* Nobody has the region any more: whoever seemed to live does not. */
void session_desert(struct session *s);

/* Drain now what the region holds now. */
void session_drain_now(struct session *s);

/* The recorded process with our pid `pid`, if it lives; else NULL. */
struct process *session_find_pid(const struct session *s, uint32_t pid);

/* The process that took entry `ordinal`, or NULL; any number may be asked for. */
struct process *session_process(const struct session *s, uint32_t ordinal);

/* Stacks are kept apart by thread from now on, or no longer. */
void session_set_threads(struct session *s, bool by_thread);

/* Learn the names of the threads whose stacks are in the books, again of those that live.  look_at: if it is time.
 */
void session_read_threads(struct session *s);
void session_look_at_threads(struct session *s);

/* As a predecessor knew them.  0, -EBADMSG or -ENOMEM. */
int session_take_threads(struct session *s, const struct thread_name *from, uint32_t n);

/* The view of a client that will not be recorded. */
void session_view_passive(const struct peer *peer, const struct hello *h, struct session_view *ret);

uint64_t session_time(const struct session *s); /* ns since it began */

/* From now on sample every `rate` bytes (0 = dormant), with `max_depth` frames, stacks kept apart by thread or not.
 */
void session_change(struct session *s, uint32_t rate, uint32_t max_depth, bool by_thread);

/* --- for a successor of this collector: session_state.c ----------------------------------------------------- */

struct kept;

/* What was logged counts; a checkpoint if it is time.  Not from inside a pass over the lanes. */
void session_commit(struct session *s);
int session_checkpoint(struct session *s); /* 0 or -errno: what is there still counts */

/* The session of a predecessor, from its region and its state, whose descriptors are taken over in any case: its
 * newest checkpoint.  session_replay() follows, as often as it takes, then session_resume(), when the collector is
 * ready for its callbacks.  -errno with a fault; -ENOMEM, -EMFILE: may be tried again. */
int session_recover(struct session_env *env, int region_fd, int state_fd, struct session **ret, struct fault *f);

/* The log onto it, until the thread has used `until_ns` of processor time.  0; -EAGAIN: there is more; another
 * -errno with a fault: session_free() follows. */
int session_replay(struct session *s, uint64_t until_ns, struct fault *f);

/* Its program is to stop: nobody reads what it writes. */
void session_detach(int region_fd);
void session_resume(struct session *s);

/* For session_state.c: the log onto the checkpoint.  As session_replay(). */
int session_replay_log(struct session *s, const struct state *st, uint64_t until_ns);

/* The name under which its descriptors are kept. */
void session_kept_name(uint64_t id, char buf[KEEPER_NAME_SIZE]);
uint64_t session_kept_id(const char *name); /* 0: it is no such name */

/* For session_state.c: one without processes, on a region that is there; and the other way round. */
struct session *session_allocate(struct session_env *env, uint64_t id);
int session_init_drain(struct session *s);
int session_reserve(struct session *s, uint32_t ordinal); /* before session_add(); 0 or -ENOMEM */
void session_add(struct session *s, struct process *p);

/* Are its processes in a pid namespace below ours?  Known from the first one; asked only where it matters, because
 * it is a look into /proc. */
bool session_is_nested(struct session *s);

/* For process.c: a process's end was seen; a process is done with. */
void session_look_soon(struct session *s);
void session_forget(struct session *s, struct process *p);
