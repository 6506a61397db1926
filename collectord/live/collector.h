/* collectord/live/collector.h - a running collector: listener, sessions, draining, books, snapshots.
 *
 * Used by the daemon and by `heaptap run`, each with its own struct loop; one thread, everything happens inside
 * loop callbacks.  A session is one executed program that shook hands, and the children it forks; each of these
 * lives until it dies or executes another program, is drained a last time, gets its final snapshot, and is
 * forgotten. A final snapshot says the exit status if the process is our child and was not reaped before the loop
 * saw its end (waitid(P_PIDFD, WNOWAIT)): reap children from the loop, after SESSION_ENDED or with a turn in
 * between. Failures: setting up returns a fault; afterwards a client's fault ends only that client's session, and
 * I/O errors are counted (collector_errors()) and retried. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectord/live/keeper.h"
#include "collectord/live/loop.h"
#include "collectord/live/retain.h"
#include "collectord/live/offload.h"
#include "collectord/profile/fault.h"
#include "collectord/profile/snapshot.h"

struct collector;

/* What others may know of a session.  Strings are valid during the callback or until the next loop turn. */
struct session_view {
	uint64_t id;     /* of the session: an executed program and the children it forks */
	uint32_t number; /* of the process in it: 0 = the program itself */
	uint32_t pid, ppid, uid;
	const char *exe, *cmdline, *allocator; /* labels from the client: escape before printing */
	uint32_t status;                       /* enum hello_status; not HELLO_ACTIVE: nothing is recorded */
	bool ended;
	bool is_damaged;    /* ended because its shared memory was impossible */
	bool is_over_limit; /* ended because its user's programs took too much */
	uint32_t rate;      /* T now; 0 = dormant */
	bool rate_changed;  /* it was another one before */
	uint32_t max_depth; /* now, like the next */
	bool by_thread;     /* stacks are kept apart by thread */
	uint64_t elapsed_ns;
	struct snapshot_values total; /* books so far; fixed point */
	struct snapshot_audit audit;
	uint32_t stacks;           /* distinct ones in its books */
	uint32_t snapshots;        /* written so far */
	const char *last_snapshot; /* path below out_dir, "" if none yet */
	uint32_t unrecorded;       /* forked children of the session that found no room */
};

enum session_change {
	SESSION_STARTED,     /* handshake done */
	SESSION_SAVED,       /* a snapshot was written completely */
	SESSION_ENDED,       /* drained, final snapshot on disk (or failed and counted) */
	SESSION_PASSIVE,     /* a client said why nothing will be recorded (view.status) */
	SESSION_SAVE_FAILED, /* a snapshot could not be written; counted, see collector_errors() */
	SESSION_REFUSED,     /* a client met a limit: nothing will be recorded (view is that of a passive one) */
};

#define COLLECTOR_MAX_SESSIONS 1024u
#define COLLECTOR_MAX_SESSIONS_PER_USER 512u

struct collector_config {
	const char *socket_path; /* bound and unlinked by the collector; ignored if listen_fd >= 0 */
	int listen_fd;           /* -1, or a listening SOCK_SEQPACKET socket (systemd): stays the caller's */
	bool any_uid;            /* programs of every user may attach (the daemon); else only ours and root's */
	const char *out_dir;     /* snapshots go below it; must exist, but see makes_dir */
	uint32_t rate;           /* T, 1..ABI_MAX_RATE */
	uint32_t interval_s;     /* periodic snapshots; 0 = none */
	uint32_t max_depth;      /* 0 = ABI_DEFAULT_DEPTH */
	bool by_thread;          /* keep stacks apart by thread */
	uint32_t on_full;        /* enum abi_on_full */
	uint32_t only_pid;       /* record this process, whatever it executes, and no other; 0 = all */
	uint32_t max_sessions, max_sessions_per_user; /* at a time; 0 = the defaults below */
	uint64_t max_memory_per_user;                 /* bytes of all books of a user's programs; 0 = no limit */
	uint32_t max_processes_per_user;              /* recorded at a time; 0 = no limit */
	uint32_t admin_gid;          /* members see and change everybody's processes, as root does; 0 = none */
	bool skip_empty;             /* a program that ended without a sample leaves no snapshot */
	bool makes_dir;              /* out_dir is made if need be, and no other collector may use it */
	struct retain_limits retain; /* which snapshots stay */
	/* Name of the directory below out_dir for this process's snapshots; "" = out_dir itself.  Created 0750 by
	 * the collector.  NULL: the collector names it "s<id>", a child's "s<id>.<number>". */
	void (*name_session)(const struct session_view *v, char *buf, size_t size, void *arg);
	void (*on_change)(enum session_change what, const struct session_view *v, void *arg);
	void *arg;
	/* Who keeps sessions while there is no collector, or NULL: they end with this one.  `kept`: what it kept
	 * from the one before; descriptors are taken over by collector_new() if it succeeds.  on_word: a line about
	 * sessions that were recovered or could not be, or about a user whose connections are a flood. */
	const struct keeper *keeper;
	const struct kept *kept;
	size_t n_kept;
	void (*on_word)(const char *text, bool is_loss, void *arg);
};

/* Start listening.  The loop and the config's strings must outlive the collector. */
int collector_new(struct loop *loop, const struct collector_config *config, struct collector **ret,
		  struct fault *f);

/* Other limits, interval, rate and group from now on; sockets and directories stay.  Sessions that run keep their
 * rate, as somebody may have set it.  0 or -EINVAL with a fault: nothing changed. */
int collector_reload(struct collector *c, const struct collector_config *config, struct fault *f);

/* Snapshot every process with reason `why`; written asynchronously, announced by SESSION_SAVED. */
void collector_snapshot_all(struct collector *c, enum snapshot_reason why);

/* Drain everything once, now: for a live status line or before reading views. */
void collector_drain_all(struct collector *c);

/* The same for the sessions of one user, or for one. */
void collector_drain_user(struct collector *c, uint32_t uid);
void collector_drain_session(struct collector *c, uint64_t session);

/* Call `fn` for each process of each session that is not forgotten yet. */
void collector_each(struct collector *c, void (*fn)(const struct session_view *v, void *arg), void *arg);

/* Let one process's session sample every `rate` bytes (0 = dormant: frees are still reported), keep `max_depth`
 * frames, and stacks apart by thread or not, from now on.  The same goes for all processes that share the session.
 */
void collector_change(struct collector *c, uint64_t session, uint32_t rate, uint32_t max_depth, bool by_thread);

/* Take a snapshot of one process now, of what was drained; announced by SESSION_SAVED or SESSION_SAVE_FAILED.
 * *ret_behind: one begun before is still being written, and will be announced first.  0 or -ESRCH. */
int collector_snapshot(struct collector *c, uint64_t session, uint32_t pid, enum snapshot_reason why,
		       bool *ret_behind);

/* Is that process still recorded? */
bool collector_has(struct collector *c, uint64_t session, uint32_t pid);

/* Its administrators' group, 0 = none. */
uint32_t collector_admin_gid(const struct collector *c);

/* Drained now, and as bytes: nothing is written, *ret_buf is malloc'ed.  If there is much to encode a copy of us
 * does it: then 1, and *ret_offload tells `done` (offload.h), or -EAGAIN without a `done`.  0, -ESRCH or -ENOMEM
 * else. */
int collector_encode_aside(struct collector *c, uint64_t session, uint32_t pid, offload_done *done, void *arg,
			   struct offload **ret_offload, void **ret_buf, size_t *ret_len);

/* The directory snapshots go below, wherever it is by now.  0 or -errno. */
int collector_out_dir(const struct collector *c, char *buf, size_t size);

struct collector_counts {
	uint32_t sessions, max_sessions, max_sessions_per_user;
	uint64_t refused;     /* programs that met a limit */
	uint64_t turned_away; /* connections closed unheard: too many of a user waited */
};
void collector_counts(const struct collector *c, struct collector_counts *ret);

/* Sessions alive or with writes still pending; 0 means everything is on disk. */
size_t collector_pending(const struct collector *c);

/* I/O errors so far, and a text for the last one ("" if none). */
uint64_t collector_errors(const struct collector *c, const char **ret_last);

/* Stop accepting, drain, take final snapshots of all sessions (reason EXIT for the dead, ASKED for the living);
 * collector_pending() then falls to 0 as the loop runs on.  With a keeper sessions go on: the next collector has
 * them, and collector_pending() counts those of which a snapshot is still being written. */
void collector_shutdown(struct collector *c);

void collector_free(struct collector *c); /* takes NULL */

/* Each session holds up to three descriptors: let this process have as many as its hard limit allows. */
void collector_raise_descriptors(void);
