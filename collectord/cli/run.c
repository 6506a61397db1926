/* collectord/cli/run.c - heaptap run, in order: start a program under a private collector, say what became of it.
 *
 * The program comes first: its output, status, signals and terminal are its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/clock.h"
#include "collectord/cli/run.h"
#include "collectord/cli/say.h"

#define STATUS_MS 500
#define KEEP 100          /* periodic snapshots; a server may run for months */
#define GRACE_MS 2000     /* for the collector to notice the program's end by itself */
#define GREETING_MS 100   /* for a word from a program that ended before it was heard */
#define PATIENCE_MS 60000 /* for the last snapshots */

struct run {
	struct run_options o;
	struct target target;
	struct run_dirs dirs;
	struct child child;
	struct run_sessions sessions;
	struct status_line status;
	struct loop *loop;
	struct collector *collector;
	struct run_signals signals;
	struct run_http http;
	struct loop_timer *status_timer, *deadline;
	uint64_t began_ns, ended_ns;
	bool deadline_passed;
};

/* --- the collector's callbacks ----------------------------------------------------------------- */

static void name_session(const struct session_view *v, char *buf, size_t size, void *arg)
{
	const struct run *r = arg;
	char name[32];

	if (v->pid == (uint32_t)r->child.pid) {
		*buf = '\0'; /* the program itself, also after it executed another */
		return;
	}
	dirs_sanitize(v->exe && *v->exe ? v->exe : "unknown", name, sizeof(name));
	snprintf(buf, size, "%s.%u", name, v->pid);
}

static void on_change(enum session_change what, const struct session_view *v, void *arg)
{
	struct run *r = arg;

	if (what == SESSION_REFUSED)
		return; /* counted by the collector, told at the end */
	sessions_note(&r->sessions, what, v);
	if (r->o.quiet || what != SESSION_SAVED || !strstr(v->last_snapshot, "-signal" SNAPSHOT_SUFFIX))
		return;
	status_clear(&r->status);
	say("snapshot: %s/%s", r->dirs.out, v->last_snapshot);
}

/* --- the live status line ---------------------------------------------------------------------- */

static void draw_if_main(const struct session_view *v, void *arg)
{
	struct run *r = arg;

	if (v->pid == (uint32_t)r->child.pid && !v->ended)
		status_draw(&r->status, v);
}

static void on_status_timer(void *arg)
{
	struct run *r = arg;

	collector_drain_all(r->collector);
	collector_each(r->collector, draw_if_main, r);
	loop_timer_set(r->status_timer, STATUS_MS);
}

static void on_deadline(void *arg)
{
	struct run *r = arg;

	r->deadline_passed = true;
}

/* --- setting up and taking down ---------------------------------------------------------------- */

static int start_loop(struct run *r, struct fault *f)
{
	int err = loop_new(&r->loop, f);

	if (err)
		return err;
	r->status_timer = loop_timer_new(r->loop, on_status_timer, r);
	r->deadline = loop_timer_new(r->loop, on_deadline, r);
	if (!r->status_timer || !r->deadline)
		return fault_set(f, -ENOMEM, "out of memory");
	return 0;
}

static int start_collector(struct run *r, struct fault *f)
{
	struct collector_config config = {
		.socket_path = r->dirs.socket,
		.listen_fd = -1,
		.out_dir = r->dirs.out,
		.rate = (uint32_t)r->o.rate,
		.interval_s = (uint32_t)r->o.interval_s,
		.retain.keep = KEEP,
		.max_depth = (uint32_t)r->o.depth,
		.by_thread = r->o.by_thread,
		.on_full = r->o.wait_on_full ? ABI_ON_FULL_WAIT : ABI_ON_FULL_SPILL,
		.only_pid = r->o.no_follow ? (uint32_t)r->child.pid : 0,
		.name_session = name_session,
		.on_change = on_change,
		.arg = r,
	};

	int err;

	collector_raise_descriptors(); /* the program was forked before and keeps its own limit */
	err = collector_new(r->loop, &config, &r->collector, f);

	r->signals.collector = r->collector;
	if (!err)
		err = signals_open(&r->signals, r->loop, f);
	return err ? err : run_http_start(&r->http, &r->o, r->loop, r->collector, f);
}

static void stop_all(struct run *r)
{
	run_http_stop(&r->http);
	collector_free(r->collector);
	loop_timer_free(r->status_timer);
	loop_timer_free(r->deadline);
	signals_close(&r->signals);
	if (r->loop)
		loop_turn(r->loop, 0); /* let go of what was just given up */
	loop_free(r->loop);
	dirs_remove_socket(&r->dirs);
}

/* --- the run ----------------------------------------------------------------------------------- */

static int spin(struct run *r)
{
	int err = loop_turn(r->loop, -1);

	if (err && err != -EINTR) {
		say("event loop: %s; the program goes on unrecorded", strerror(-err));
		return err;
	}
	return 0;
}

/* Turn the loop until the program's session is complete, or was not heard of in time. */
static int await_main(struct run *r)
{
	const struct run_session *m = sessions_main(&r->sessions);

	loop_timer_set(r->deadline, m ? GRACE_MS : GREETING_MS);
	while (!(m && m->done) && !r->deadline_passed && !r->signals.interrupted) {
		if (spin(r))
			return -EIO;
		m = sessions_main(&r->sessions);
	}
	r->deadline_passed = false;
	return 0;
}

/* True when it has ended; false when our loop broke. */
static bool follow_child(struct run *r)
{
	if (r->status.enabled)
		loop_timer_set(r->status_timer, STATUS_MS);
	child_look(&r->child);
	while (!r->child.ended)
		if (spin(r))
			break;
	r->ended_ns = clock_ns();
	loop_timer_set(r->status_timer, -1);
	status_clear(&r->status);
	return r->child.ended;
}

/* The program has ended: get everything on disk.  The collector first has time to see the death itself. */
static void finish(struct run *r)
{
	if (await_main(r))
		return;
	collector_shutdown(r->collector);
	loop_timer_set(r->deadline, PATIENCE_MS);
	while (collector_pending(r->collector) && !r->deadline_passed && !r->signals.interrupted)
		if (spin(r))
			return;
	if (collector_pending(r->collector))
		say("%s before all snapshots were written; those in %s are complete",
		    r->signals.interrupted ? "interrupted" : "gave up waiting", r->dirs.out);
}

static void conclude(struct run *r, const char *program)
{
	const char *last = "", *base = strrchr(program, '/');
	struct collector_counts counts;
	struct run_end e = {
		.sessions = &r->sessions,
		.target = &r->target,
		.out_dir = r->dirs.out,
		.program = base ? base + 1 : program,
		.pid = r->child.pid,
	};

	e.errors = collector_errors(r->collector, &last);
	snprintf(e.last_error, sizeof(e.last_error), "%s", last ? last : "");
	collector_counts(r->collector, &counts);
	child_reap(&r->child);
	e.status = r->child.status;
	e.ran_ns = r->ended_ns - r->began_ns;
	stop_all(r);
	signals_leave_to_user(&r->child.old_mask, r->child.status);
	rmdir(r->dirs.out); /* goes only if nothing was written */
	if (!r->o.quiet)
		summary_print(&e);
	if (!r->o.quiet && counts.refused)
		say("%llu program%s not recorded: at most %u are at a time", (unsigned long long)counts.refused,
		    counts.refused == 1 ? " was" : "s were", counts.max_sessions_per_user);
	sessions_done(&r->sessions);
}

static int fail_start(struct run *r, const struct fault *f, int status)
{
	stop_all(r);
	if (r->dirs.out[0])
		rmdir(r->dirs.out);
	return say_fault(f, status);
}

static int start(struct run *r, char **argv, struct fault *f)
{
	sigset_t signals;
	int err = dirs_make_socket(&r->dirs, f);

	if (err)
		return err;
	signals_fill(&signals);
	err = child_fork(&r->child, &signals, &r->target, argv, r->dirs.socket);
	if (err)
		return fault_set(f, err, "%s: cannot start it: %s", argv[0], strerror(-err));
	r->sessions.main_pid = r->child.pid;
	err = dirs_make_out(&r->dirs, r->o.output, argv[0], r->child.pid, f);
	if (!err)
		err = start_loop(r, f);
	if (!err)
		err = start_collector(r, f);
	if (err)
		child_abandon(&r->child);
	return err;
}

static const char *exec_hint(int err)
{
	switch (err) {
	case ENOENT: /* the file itself was there */
		return "; the interpreter it names is missing";
	case ENOEXEC:
		return "; it is no program for this machine";
	case E2BIG:
		return "; give it fewer arguments";
	default:
		return "; check its permissions and its file system";
	}
}

static int run_all(struct run *r, char **argv)
{
	struct fault f = { "" };
	int err = target_find(argv[0], &r->target, &f);

	if (err)
		return say_fault(&f, err);
	if (start(r, argv, &f))
		return fail_start(r, &f, EXIT_FAULT);
	r->began_ns = clock_ns();
	err = child_release(&r->child);
	if (err) {
		child_reap(&r->child);
		fault_set(&f, -err, "%s: cannot execute it: %s%s", r->target.path, strerror(err), exec_hint(err));
		return fail_start(r, &f, err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
	}
	status_init(&r->status, r->o.quiet);
	if (follow_child(r))
		finish(r);
	conclude(r, argv[0]);
	child_exit_like(r->child.status);
}

int run_program(const struct run_options *o, char **argv)
{
	struct run r = { .o = *o, .signals = { .fd = -1 } };

	r.signals.child = &r.child;
	r.signals.status = &r.status;
	return run_all(&r, argv);
}
