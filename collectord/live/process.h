/* collectord/live/process.h - one recorded process of a session: the program itself or a forked child.
 *
 * Live -> dying (its end was seen; the session drains what it left) -> last save -> gone.  All of it in loop
 * callbacks, one thread.  A process owns its pidfd, ledger, saver and timer; the session owns the process and is
 * told when it may be freed (session_forget()). */
#pragma once

#include <sys/queue.h>

#include "collectord/live/collector.h"
#include "collectord/live/drain.h"
#include "collectord/live/save.h"
#include "common/proctab.h"

struct session;

enum process_state {
	PROCESS_LIVE,
	PROCESS_DYING,     /* what it wrote is not all read yet */
	PROCESS_LAST_SAVE, /* books are final; its entry may be another's */
};

struct process {
	LIST_ENTRY(process) link;
	LIST_ENTRY(process) pid_link; /* census.c's */
	bool is_counted;
	struct session *session;
	uint32_t number;    /* 0 = the program itself, then by appearance */
	uint32_t ordinal;   /* in the region; UINT32_MAX once it was given back */
	uint32_t pid, ppid; /* ours; ppid: who forked it, also if that is gone */
	uint32_t said_pid;  /* its own, from its entry */
	uint64_t ticks;     /* with our pid: which process it is; 0: not known */
	uint64_t start_ns;  /* these times: since the session began */
	uint64_t end_ns;    /* when its end was seen, or 0 */
	int pidfd;          /* -1: its end shows only in that nobody has the region mapped any more */
	struct loop_watch *death;
	bool is_missing; /* read back as living, and dead by now */
	int32_t exit_known, exit_status;
	struct ledger ledger;
	uint32_t named;              /* buckets whose threads are noted */
	struct snapshot_audit audit; /* when its entry was given back */
	struct saver saver;
	struct loop_timer *save_timer; /* periodic snapshots; then tries of the final one */
	uint32_t final_tries;
	enum process_state state;
	enum snapshot_reason end_reason;
};

/* The program itself: takes `pidfd` over, whether or not it succeeds.  0 or -errno. */
int process_new(struct session *s, uint32_t pid, uint32_t ppid, int pidfd, struct process **ret);

/* A forked child that took entry `ordinal`; it may be dying already.  0 or -errno. */
int process_adopt(struct session *s, uint32_t ordinal, const struct proc_info *info, struct process **ret);

/* The next periodic snapshot an interval from now, if it lives and there is one. */
void process_schedule(struct process *p);

void process_free(struct process *p); /* takes NULL and half-made ones */

/* No more is wanted of it: the session will drain it a last time.  A second call changes nothing. */
void process_end(struct process *p, enum snapshot_reason why);

/* All it left is in its ledger: take the final snapshot, then session_forget().  False: done, it is gone. */
bool process_conclude(struct process *p);

bool process_is_dead(const struct process *p);
bool process_is_nested(const struct process *p);  /* a look into /proc, if it lives */
bool process_said_other(const struct process *p); /* it has another pid than it knows of */
uint64_t process_time(const struct process *p);   /* since the session began, until its end */
void process_audit(const struct process *p, struct snapshot_audit *ret);
void process_view(const struct process *p, struct session_view *ret);
void process_tell(const struct process *p, enum session_change what);

/* --- for a successor of this collector: process_state.c ----------------------------------------------------- */

struct pack_writer;
struct pack_reader;
struct record_process;

void process_log_begin(const struct process *p);
void process_log_end(const struct process *p);
void process_log_buried(const struct process *p);
void process_log_gone(const struct process *p);
void process_log_saved(const struct process *p, enum snapshot_reason why);

void process_pack(const struct process *p, struct pack_writer *w);
int process_unpack(struct session *s, struct pack_reader *r, struct process **ret); /* 0, -EBADMSG, -ENOMEM... */
int process_replay_begin(struct session *s, const struct record_process *r, struct process **ret);

/* Everything is replayed.  Watch it again, if it lives and that is known of it; again after a failure: 0, or
 * -ENOMEM, -EMFILE, -ENFILE. */
int process_reopen(struct process *p);
/* Then: go on where the predecessor was killed. */
void process_resume(struct process *p);

/* For process_state.c: one without books, and what is left to set up when it has them. */
struct process *process_allocate(struct session *s, uint32_t number, uint32_t ordinal);
int process_start(struct process *p);
int process_watch(struct process *p); /* for its end; it has a pidfd */
