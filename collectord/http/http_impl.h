/* collectord/http/http_impl.h - between http.c (server), conn.c (connections), serve.c (requests), access.c (who
 * may), answer.c (what is answered).
 *
 * A connection gets to libmicrohttpd once the head of its one request is there and well formed (head.h); from then
 * on it lives until libmicrohttpd closes it.  A request lives from its first line to
 * the completion of its answer.  While a job works for it, libmicrohttpd does not look at the connection: we do,
 * for a client that goes away. */
#pragma once

#include <microhttpd.h>
#include <sys/queue.h>

#include "collectord/http/door.h"
#include "collectord/http/http.h"
#include "collectord/http/job.h"
#include "collectord/http/request.h"
#include "collectord/live/viewer.h"

#define MAX_HEADER 8192u /* bytes of a request's */
#define MAX_CONNS 512u   /* dropped ones included, until libmicrohttpd has closed them */

struct http {
	struct loop *loop;
	struct collector *collector;
	struct http_config config;
	LIST_HEAD(, door) doors;
	struct jobs *jobs;
	struct MHD_Daemon *daemon;
	struct loop_watch *watch;
	struct loop_timer *timer;
	TAILQ_HEAD(conn_list, conn) conns; /* oldest first */
	bool is_over;                      /* in http_free(): no more jobs */
};

enum conn_state {
	CONN_READING, /* the request */
	CONN_WORKING, /* a job does */
	CONN_SENDING,
};

struct conn {
	TAILQ_ENTRY(conn) link;
	struct http *http;
	const struct door *door;
	int fd;
	bool is_handed_over;        /* libmicrohttpd has it, and closes fd */
	struct MHD_Connection *mhd; /* NULL: not taken over yet */
	enum conn_state state;
	struct loop_timer *deadline;
	struct loop_timer *again; /* look for the rest of the head */
	int wait_ms;
	struct loop_watch *watch; /* for the head; for a hang-up while a job works */
	struct request *request;
	size_t held;       /* bytes of its answer */
	struct viewer who; /* on a unix socket; else once the request is there */
};

struct request {
	struct conn *conn;
	char *target; /* malloc'ed, as it came */
	struct route route;
	struct job *job;
	bool is_begun, is_worked;
	enum job_end how;
	struct bytes answer;
	char *body; /* malloc'ed: of a POST */
	size_t n_body;
	unsigned status; /* of the answer */
};

/* May this request be answered, and as whom?  0: conn->who is set; else an error was queued: *ret. */
bool access_check(struct request *q, struct MHD_Connection *mhd, enum MHD_Result *ret);

/* Answer a complete request, or start a job for it.  MHD_YES with q->job set: one was started. */
enum MHD_Result answer_request(struct request *q, struct MHD_Connection *mhd, const char *method);

/* Answer it, its job being over. */
enum MHD_Result answer_worked(struct request *q, struct MHD_Connection *mhd);

/* Is this method one for this page?  Else an error was queued: *ret. */
bool answer_takes(const struct request *q, struct MHD_Connection *mhd, const char *method, enum MHD_Result *ret);

/* --- http.c -------------------------------------------------------------------------------------------------- */

/* Let libmicrohttpd do what there is to do. */
void http_pump(struct http *h);

/* --- conn.c -------------------------------------------------------------------------------------------------- */

/* A client was accepted: takes the socket over. */
void conn_accept(void *arg, const struct door *d, int sock);

/* libmicrohttpd tells of a connection's beginning and end. */
void conn_notify(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what);

/* Each state has its deadline. */
void conn_set_state(struct conn *c, enum conn_state state);

/* May an answer of `len` bytes wait for this client?  No: its user's other clients have not taken theirs. */
bool conn_may_hold(const struct conn *c, size_t len);

/* Have it closed: now and freed, if libmicrohttpd does not have it; else soon. */
void conn_drop(struct conn *c);

/* A job works for it: libmicrohttpd shall wait, we watch for the client's going away.  Then go on. */
void conn_suspend(struct conn *c);
void conn_resume(struct conn *c);

/* Its answer is not wanted any more, or will not come. */
void request_give_up(struct request *q);

/* --- serve.c: libmicrohttpd's callbacks ---------------------------------------------------------------------- */

void *serve_request_line(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result serve_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **context);
void serve_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode how);
