/* collectord/live/session.h - one executed program that shook hands: from its hello to its final snapshot.
 *
 * Live -> (process died | executed another program | region corrupt | shutdown) -> last drain -> final snapshot ->
 * gone.  All of it in loop callbacks, one thread.  A session owns its pidfd, region, books and timers; it frees
 * itself at the end and says so by env.on_gone.  What it borrows stands in struct session_env. */
#pragma once

#include <sys/queue.h>

#include "collectord/live/collector.h"
#include "collectord/live/drain.h"
#include "collectord/live/listen.h"
#include "collectord/live/region.h"
#include "collectord/live/save.h"

/* What the collector lends to all its sessions. */
struct session_env {
	struct loop *loop;
	const struct collector_config *config;
	struct drain_scratch *scratch;
	struct save_env save;
	void (*on_gone)(struct session *s, void *arg); /* the last thing a session does */
	void *arg;
};

enum session_state {
	SESSION_LIVE,
	SESSION_LAST_DRAIN, /* no new events wanted; passes go on until nothing is left */
	SESSION_LAST_SAVE,  /* books are final */
};

struct session {
	LIST_ENTRY(session) link; /* the collector's */
	struct session_env *env;
	uint64_t id, epoch_ns; /* CLOCK_MONOTONIC */
	uint64_t end_ns;       /* when its end was seen, or 0 */
	uint32_t pid, ppid, uid, rate;
	char exe[sizeof(((struct hello *)0)->exe)];
	char cmdline[sizeof(((struct hello *)0)->cmdline)];
	char allocator[sizeof(((struct hello *)0)->allocator)];
	int pidfd;
	int32_t exit_known, exit_status;
	struct loop_watch *death;
	struct loop_timer *drain_timer;
	struct loop_timer *save_timer; /* periodic snapshots; then tries of the final one */
	uint32_t final_tries;
	uint32_t drain_ms;    /* until the next pass */
	uint64_t last_budget; /* events the last drain may still take: a child may go on writing */
	struct shared_region region;
	struct drain drain;
	struct books books;
	struct saver saver;
	enum session_state state;
	enum snapshot_reason end_reason;
};

/* Make a session for a peer whose hello was accepted and start its timers; takes peer->pidfd over.  0 or -errno. */
int session_new(struct session_env *env, uint64_t id, struct peer *peer, const struct hello *h,
		struct session **ret);

/* At once, without a final snapshot or on_gone: the client never attached, or the collector is freed. */
void session_free(struct session *s); /* takes NULL and half-made ones */

/* No more events: drain what is there, take the final snapshot, be gone.  A second call changes nothing. */
void session_end(struct session *s, enum snapshot_reason why);

/* Drain now what the region holds now. */
void session_drain_now(struct session *s);

bool session_is_dead(const struct session *s); /* its process */

void session_view(const struct session *s, struct session_view *ret);

/* The view of a client that will not be recorded. */
void session_view_passive(const struct peer *peer, const struct hello *h, struct session_view *ret);

uint64_t session_elapsed_ns(const struct session *s);
