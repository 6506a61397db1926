/* collectord/cli/run.h - the parts of `heaptap run`, shared by its files only.
 *
 * One thread, one loop.  struct run lives in run.c's frame; each part owns its own struct and is told what it
 * needs.  Order: target -> child (blocked) -> directories -> collector -> child released -> loop -> summary. */
#pragma once

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "collectord/http/http.h"
#include "collectord/http/token.h"
#include "collectord/live/collector.h"
#include "collectord/profile/fault.h"

struct run_options {
	uint64_t rate;
	int64_t interval_s, depth;
	const char *output, *on_full;
	const char *http, *http_token; /* http: address, "" = any, NULL = none */
	bool quiet, no_follow, by_thread, wait_on_full;
};

/* Run argv[0] with arguments argv[1...]; the exit status, if the program did not end by a signal: then so do we. */
int run_program(const struct run_options *o, char **argv);

/* --- run_target.c, run_suits.c: the program and the shim ---------------------------------------------- */

#if defined(__x86_64__)
#define TARGET_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define TARGET_MACHINE EM_AARCH64
#endif

struct target {
	char path[PATH_MAX];  /* what will be executed */
	char shim[PATH_MAX];  /* absolute path of libheaptap.so */
	const char *unsuited; /* why the shim cannot record it, for people; NULL if it can: else it is left alone */
	const char *partly;   /* what of it the shim will not see, or NULL */
	char reason[256];     /* where these may point to */
	bool is_elf;
};

/* Find program `name` as execvp() does, and the shim.  EXIT_OK or the exit status after filling `f`. */
int target_find(const char *name, struct target *ret, struct fault *f);

/* Find `name`, which has no slash, in PATH.  0 or -errno. */
int target_search(const char *name, char ret[PATH_MAX]);

/* From path: set unsuited, partly and is_elf.  What cannot be read is taken to suit. */
void target_judge(struct target *t);

/* --- run_child.c: the program as our child ----------------------------------------------------------- */

struct child {
	pid_t pid;
	int release_fd; /* write end: one byte lets it go, EOF makes it exit */
	int report_fd;  /* read end: an errno if exec failed, EOF if it worked */
	sigset_t old_mask;
	struct sigaction old_chld;
	bool stopped, ended;
	int status; /* wait status, valid once reaped */
};

/* Signals in `blocked` are blocked in us from here on; the program gets the mask and dispositions we were started
 * with.  0 or -errno. */
int child_fork(struct child *c, const sigset_t *blocked, const struct target *t, char **argv,
	       const char *socket_path);

/* Let it execute the program.  0, or the positive errno of its exec. */
int child_release(struct child *c);

/* Look without reaping: did it stop, continue, end?  Sets `stopped` and `ended`. */
void child_look(struct child *c);

/* Take the status; blocks until it has ended. */
void child_reap(struct child *c);

/* Before a release: tell it to go away, and reap it. */
void child_abandon(struct child *c);

/* End this process as the child ended: same status or same signal.  Does not return. */
void child_exit_like(int status) __attribute__((noreturn));
void child_exit_like_now(int status) __attribute__((noreturn)); /* from a signal handler */

/* --- run_dirs.c: where things are put ---------------------------------------------------------------- */

struct run_dirs {
	char out[PATH_MAX];    /* DIR/heaptap.PROG.PID */
	char socket[PATH_MAX]; /* path of the private socket; its directory is ours alone */
};

/* `name` as part of a file name: other characters than [A-Za-z0-9._+-] become '_'. */
void dirs_sanitize(const char *name, char *buf, size_t size);

int dirs_make_socket(struct run_dirs *d, struct fault *f);
int dirs_make_out(struct run_dirs *d, const char *parent, const char *program, pid_t pid, struct fault *f);
void dirs_remove_socket(struct run_dirs *d);

/* --- run_sessions.c: what the collector told us ------------------------------------------------------ */

struct run_session {
	uint64_t id;
	uint32_t number; /* in its session: 0 = an executed program, else a forked child */
	uint32_t pid, ppid, status, rate, snapshots;
	char name[32];  /* basename of the executable */
	char front[48]; /* basename of the library whose malloc is in front of the shim's; "" if none */
	char last[96];  /* newest snapshot, below the run's directory; "" if none */
	bool done;      /* drained and saved */
	bool rate_changed;
	uint64_t elapsed_ns;
	struct snapshot_values total;
	struct snapshot_audit audit;
};

struct run_sessions {
	struct run_session *list; /* processes, in order of appearance */
	size_t n, room;
	pid_t main_pid;
	uint32_t unrecorded; /* forked children that found no room in a session */
	bool out_of_memory;
};

void sessions_done(struct run_sessions *s);

/* Record what a callback said. */
void sessions_note(struct run_sessions *s, enum session_change what, const struct session_view *v);

/* The session of the program itself: the last one of its pid that was recorded; else one that said why not. */
const struct run_session *sessions_main(const struct run_sessions *s);

/* Did the program execute another one in its place? */
bool sessions_main_changed(const struct run_sessions *s);

/* --- run_status.c: a line in the terminal's last row ------------------------------------------------- */

struct status_line {
	bool enabled;
	int rows; /* of the terminal while its last row is ours, else 0 */
};

void status_init(struct status_line *s, bool quiet);
void status_draw(struct status_line *s, const struct session_view *v);
void status_resized(struct status_line *s); /* the terminal was; the next draw sets up again */
void status_clear(struct status_line *s);   /* give the row back */

/* --- run_signals.c: what reaches us, and what becomes of it -------------------------------------------- */

struct run_signals {
	int fd; /* -1 before signals_open() */
	struct loop_watch *watch;
	struct child *child;
	struct collector *collector;
	struct status_line *status;
	uint64_t stop_asked_ns; /* when the job was last asked to stop */
	bool was_stopped;       /* with the job: a SIGCONT that wakes us is meant for all of it */
	bool interrupted;       /* after the program's end: stop waiting */
};

/* The signals we want to see: to be blocked. */
void signals_fill(sigset_t *set);

/* Handle them from the loop on.  child, collector and status must be set.  0 or -errno with a fault. */
int signals_open(struct run_signals *s, struct loop *loop, struct fault *f);
void signals_close(struct run_signals *s);

/* For the summary: Ctrl-C and its like cut it short.  Nothing, a vanished reader of stderr included, changes the
 * exit status: `status` is the program's. */
void signals_leave_to_user(const sigset_t *old_mask, int status);

/* --- run_http.c: profiles over HTTP while it runs ------------------------------------------------------ */

struct run_http {
	struct http *server; /* NULL: none is asked for */
	char token[TOKEN_MAX];
	char *cache; /* of symbols, or NULL */
};

/* If it is asked for; the URL is said.  0 or -errno with a fault; stop() it either way. */
int run_http_start(struct run_http *r, const struct run_options *o, struct loop *loop, struct collector *c,
		   struct fault *f);
void run_http_stop(struct run_http *r);

/* --- run_summary.c, run_numbers.c, run_stacks.c: what is said at the end ------------------------------ */

struct run_end {
	const struct run_sessions *sessions;
	const struct target *target;
	const char *out_dir;
	const char *program;
	pid_t pid;
	int status; /* wait status */
	uint64_t ran_ns;
	uint64_t errors; /* of the collector */
	char last_error[256];
};

void summary_print(const struct run_end *e);

/* Lines about the program itself, which was recorded; `s`: its newest snapshot if it is at hand. */
void numbers_say(const struct run_end *e, const struct run_session *m, const struct snapshot *s);
void numbers_say_unrecorded(const struct run_end *e, const char *why);

/* Which rate to try instead, if the error of the peak is a good part of it. */
void numbers_advise(const struct run_session *shown);

/* The biggest stacks of a snapshot, one row each. */
void stacks_print(const struct snapshot *s);

/* Fixed point to numbers. */
double values_bytes_in_use(const struct snapshot_values *v);
double values_bytes_peak(const struct snapshot_values *v);

/* What is left at the end is the story, unless (nearly) everything was freed: then the peak is. */
bool peak_says_more(const struct snapshot_values *v);
