/* collectord/live/control_proto.h - what `heaptap ps`, `set`, `snapshot` and `top PID` ask a collector, and its
 * answers.
 *
 * On the socket programs attach to: the first eight bytes of a connection's only message tell a hello from a
 * request.  The answer is a stream of fixed-size records, one message each, the last of kind CONTROL_END; then the
 * collector says no more.  Native endianness (one machine), no pointers.  Neither side trusts the other: the
 * collector asks the kernel who is asking, the asker checks every record and makes every string end. */
#pragma once

#include <stdint.h>

#define CONTROL_MAGIC 0x31304c5254435448ull /* "HTCTRL01" */
#define CONTROL_VERSION 2u                  /* of these structs; another one is refused by both sides */

enum control_verb {
	CONTROL_LIST = 1,     /* processes -> CONTROL_PROCESS... */
	CONTROL_SET = 2,      /* change how one session samples -> CONTROL_CHANGED */
	CONTROL_SNAPSHOT = 3, /* write one now, of one process or of all -> CONTROL_SAVED... */
	CONTROL_FETCH = 4,    /* one process's snapshot, not written anywhere -> CONTROL_PROFILE */
};

#define CONTROL_RATE 1u /* bits of control_request.changes */
#define CONTROL_DEPTH 2u
#define CONTROL_THREADS 4u

struct control_request {
	uint64_t magic;
	uint32_t version;
	uint32_t size;    /* sizeof(struct control_request) */
	uint32_t verb;    /* enum control_verb */
	uint32_t pid;     /* 0 = every process the asker may see (LIST, SNAPSHOT) */
	uint64_t session; /* 0 = whichever has the pid */
	uint32_t changes; /* SET: what of the following counts */
	uint32_t rate;    /* bytes, 0 = off */
	uint32_t max_depth;
	uint32_t by_thread; /* 1: keep stacks apart by thread; 0: do not */
};

enum control_kind {
	CONTROL_PROCESS = 1,
	CONTROL_CHANGED = 2,
	CONTROL_SAVED = 3,
	CONTROL_PROFILE = 4, /* a snapshot: its bytes are the next messages, of at most CONTROL_CHUNK, no records */
	CONTROL_END = 5,
};

struct control_process {
	uint64_t session;
	uint32_t pid, ppid, uid;
	uint32_t status; /* enum hello_status; not HELLO_ACTIVE: it said so and nothing is recorded */
	uint32_t ended;  /* its last snapshot is being written */
	uint32_t rate;   /* bytes, 0 = off */
	uint32_t max_depth;
	uint32_t snapshots;  /* written so far */
	uint64_t elapsed_ns; /* since it attached, or since it said that it will not */
	uint64_t inuse_objects, inuse_bytes, inuse_bytes_error; /* _error: one standard error */
	uint64_t alloc_objects, alloc_bytes, alloc_bytes_error;
	uint64_t peak_bytes;
	uint64_t samples, spilled;
	uint64_t lost; /* not recorded at all, or refused by the collector */
	char exe[256], cmdline[256];
};

struct control_changed {
	uint64_t session;
	uint32_t pid;
	uint32_t old_rate, rate;
	uint32_t old_max_depth, max_depth;
	uint8_t old_by_thread, by_thread;
	uint16_t pad;
};

struct control_saved {
	uint64_t session;
	uint32_t pid, pad;
	char path[512]; /* absolute; "" if it failed: then `why` */
	char why[256];
};

#define CONTROL_CHUNK 32768u

struct control_profile {
	uint64_t size; /* of all its bytes */
};

struct control_end {
	uint32_t sessions, max_sessions, max_sessions_per_user;
	uint32_t pad;
	uint64_t refused; /* programs that were not recorded because of a limit */
	uint64_t errors;  /* snapshots that could not be written */
	char last_error[256];
	char text[256];   /* for people, if record.error is set */
	char version[32]; /* of the collector */
};

struct control_record {
	uint64_t magic;
	uint32_t kind;  /* enum control_kind */
	uint32_t error; /* errno, 0 = fine: of this one (SAVED) or of the whole request (END) */
	union {
		struct control_process process;
		struct control_changed changed;
		struct control_saved saved;
		struct control_profile profile;
		struct control_end end;
	};
};
