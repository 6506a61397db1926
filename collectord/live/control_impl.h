/* collectord/live/control_impl.h - between control.c (connections), control_answer.c (what is answered) and
 * control_send.c (how it gets out). */
#pragma once

#include <sys/queue.h>

#include "collectord/live/control.h"
#include "collectord/live/control_proto.h"
#include "collectord/live/passive.h"
#include "collectord/live/viewer.h"

/* A snapshot that was asked for: any of that process which was begun after the question answers it. */
struct awaited {
	uint64_t session;
	uint32_t pid;
	uint32_t seq;   /* the first that counts */
	bool is_behind; /* one begun earlier is still being written */
	bool done;
};

/* One connection, from its request to the last record of the answer. */
struct asker {
	TAILQ_ENTRY(asker) link;
	struct control *control;
	int sock;
	struct viewer who;
	struct control_request request;
	bool is_waiting; /* for its turn to be answered */
	struct loop_watch *watch;
	bool is_full; /* we wait until the socket takes more; else for a hang-up */
	struct loop_timer *deadline;
	struct control_record *records;
	size_t n_records, room, sent;
	int fd;                  /* the bytes of its CONTROL_PROFILE, or -1 */
	uint64_t size, given;    /* of them: all, and those sent */
	struct offload *offload; /* makes what will go along */
	struct awaited *awaited;
	size_t n_awaited, n_open; /* asked for; not answered yet */
	bool is_over;             /* the CONTROL_END is among the records */
	bool is_left;             /* nothing is done for it any more, but what was sent is not read */
	int64_t left_ms;          /* until the next look at that */
};

struct control {
	struct loop *loop;
	struct collector *collector;
	const struct collector_config *config;
	struct passive_list passive;
	TAILQ_HEAD(, asker) askers;
	struct loop_timer *turn; /* the next answer */
	uint64_t next_turn_ns;   /* CLOCK_MONOTONIC: not before */
	uint32_t last_uid;       /* who was answered last */
	unsigned n_offloads;     /* of all askers */
};

#define ASKER_AWAIT_MS 60000 /* for snapshots to be on disk */

void asker_free(struct asker *a); /* its loop_timer may be due */
void asker_late(void *arg);       /* an asker's deadline */

/* Queue a record.  Out of memory: the connection's answer ends with an error. */
void asker_put(struct asker *a, const struct control_record *r);

/* Queue the end of the answer; error 0 = all went well. */
void asker_end(struct asker *a, int error, const char *fmt, ...) PRINTF(3, 4);

/* Send what the socket takes.  The asker may be gone afterwards, if that was all, or if it went wrong. */
void asker_push(struct asker *a);

/* Queue what is asked for, up to and with the end unless something is awaited.  May leave it waiting for another
 * turn. */
void control_answer(struct asker *a, const struct control_request *r);

/* A program said that it will not be recorded. */
void control_note_passive(struct control *k, const struct session_view *v);

/* A snapshot that `a` may wait for was written or failed, or its process is gone. */
void control_awaited(struct asker *a, enum session_change what, const struct session_view *v);
