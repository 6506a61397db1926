/* collectord/daemon.c - heaptap-collectord: one collector for the programs of all users, in the foreground.
 *
 * Signals arrive by signalfd, blocked before anything else runs: USR1 snapshots every session, TERM and INT drain,
 * take final snapshots and end with status 0, HUP reads the settings again.  Log: stderr, one line per change of a
 * session, escaped.  What a service manager gives and is told: daemon_systemd.c. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/daemon_http.h"
#include "collectord/daemon_log.h"
#include "collectord/daemon_options.h"
#include "collectord/daemon_systemd.h"
#include "collectord/http/worker.h"
#include "collectord/live/collector.h"

struct daemon {
	int argc;
	char **argv;
	struct daemon_settings settings; /* the config's strings are in here */
	struct loop *loop;
	struct collector *collector;
	struct collector_config config;
	struct http *http;
	struct loop_watch *signals;
	struct systemd *systemd;
	struct systemd_sockets passed;
	int signal_fd;
	uint64_t errors_told;
	bool stopping;
};

/* With the shim preloaded the daemon would be traced by whoever listens, itself in the end: start again without. */
static int shed_preload(char **argv)
{
	const char *preload = getenv("LD_PRELOAD");
	char self[PATH_MAX] = "";

	if (!preload || !strstr(preload, "libheaptap"))
		return 0;
	unsetenv("LD_PRELOAD");
	/* By its name, not as /proc/self/exe: ps would show "exe". */
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		execv(self, argv);
	log_fail("LD_PRELOAD names libheaptap.so, and starting again without it failed: %s; unset LD_PRELOAD",
		 strerror(errno));
	return -errno;
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void stop(struct daemon *d)
{
	size_t pending = collector_pending(d->collector);

	if (d->stopping)
		return;
	d->stopping = true;
	log_say("stopping: taking final snapshots of %zu program%s", pending, pending == 1 ? "" : "s");
	systemd_stopping();
	collector_shutdown(d->collector);
}

/* All of the new settings or none. */
static void reload(struct daemon *d)
{
	struct daemon_settings s = d->settings;
	struct collector_config c = d->config;
	char waiting[128];
	struct fault f;
	int r = daemon_options_again(d->argc, d->argv, &s, &f);

	daemon_settings_apply(&s, &c);
	if (!r)
		r = collector_reload(d->collector, &c, &f);
	if (r) {
		log_fail("SIGHUP: the settings stay as they were: %s", f.text);
		return;
	}
	if (*daemon_settings_waiting(&d->settings, &s, waiting, sizeof(waiting)))
		log_warn("SIGHUP: these wait for the next start: %s", waiting);
	log_say("SIGHUP: read %s: rate %u, interval %u s, keep %u", *s.file ? s.file : "no file", s.rate,
		s.interval_s, s.keep);
}

static void on_hup(struct daemon *d)
{
	systemd_reloading();
	reload(d);
	systemd_ready();
}

static void on_signal(void *arg, short revents)
{
	struct daemon *d = arg;
	struct signalfd_siginfo si;

	(void)revents;
	while (read(d->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR1)
			collector_snapshot_all(d->collector, SNAPSHOT_SIGNAL);
		else if (si.ssi_signo == SIGHUP)
			on_hup(d);
		else
			stop(d);
	}
}

static void on_change(enum session_change what, const struct session_view *v, void *arg)
{
	const struct daemon *d = arg;

	log_change(what, v, d->config.out_dir);
}

static void on_word(const char *text, bool is_loss, void *arg)
{
	(void)arg;
	if (is_loss)
		log_warn("%s", text);
	else
		log_say("%s", text);
}

/* Of numbers the kernel and we gave: what a program calls itself names no file. */
static void name_session(const struct session_view *v, char *buf, size_t size, void *arg)
{
	(void)arg;
	retain_dir_name(buf, size, v->uid, v->id, v->pid);
}

/* Convenience for starts by hand; what matters is checked where it is used. */
static void make_socket_directory(const struct collector_config *c)
{
	char *path = strdup(c->socket_path);

	if (path)
		mkdir(dirname(path), 0755);
	free(path);
}

static void tell_errors(struct daemon *d)
{
	const char *last;
	uint64_t n = collector_errors(d->collector, &last);

	if (n != d->errors_told)
		log_error(last, n);
	d->errors_told = n;
}

static int serve(struct daemon *d)
{
	int r = 0;

	log_say("listening on %s, snapshots below %s, %s",
		d->config.listen_fd >= 0 ? "systemd's socket" : d->config.socket_path, d->config.out_dir,
		loop_backend(d->loop));
	systemd_ready();
	while (r == 0 && !(d->stopping && collector_pending(d->collector) == 0)) {
		r = loop_turn(d->loop, -1);
		tell_errors(d);
		systemd_turned(d->systemd, collector_pending(d->collector));
	}
	if (r)
		log_fail("the event loop failed: %s", strerror(-r));
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int set_up(struct daemon *d)
{
	struct fault f;
	struct systemd_sockets *passed = &d->passed;
	int r = systemd_take(passed);

	if (r)
		return r;
	d->config.listen_fd = passed->programs;
	d->config.keeper = systemd_keeper();
	d->config.kept = passed->kept;
	d->config.n_kept = passed->n_kept;
	if (d->config.listen_fd < 0)
		make_socket_directory(&d->config);
	if (loop_new(&d->loop, &f) || collector_new(d->loop, &d->config, &d->collector, &f)) {
		log_fail("%s", f.text);
		return -EIO;
	}
	d->signals = loop_watch_fd(d->loop, d->signal_fd, POLLIN, on_signal, d);
	if (!d->signals || systemd_new(d->loop, &d->systemd)) {
		log_fail("out of memory");
		return -ENOMEM;
	}
	return daemon_http_start(&d->settings, passed, d->loop, d->collector, &d->http);
}

int main(int argc, char **argv)
{
	struct daemon d = {
		.argc = argc,
		.argv = argv,
		.config = { .listen_fd = -1,
			    .any_uid = true,
			    .skip_empty = true,
			    .makes_dir = true,
			    .name_session = name_session,
			    .on_change = on_change,
			    .on_word = on_word,
			    .arg = &d },
	};
	int status;

	worker_main_if_asked(argc, argv);
	status = daemon_options(argc, argv, &d.settings);

	if (status >= 0)
		return status;
	daemon_settings_apply(&d.settings, &d.config);
	if (shed_preload(argv))
		return EXIT_FAILURE;
	d.signal_fd = block_signals();
	collector_raise_descriptors();
	status = d.signal_fd >= 0 && set_up(&d) == 0 ? serve(&d) : EXIT_FAILURE;
	loop_unwatch(d.signals);
	systemd_free(d.systemd);
	http_free(d.http);
	collector_free(d.collector);
	loop_free(d.loop);
	systemd_done(&d.passed);
	return status;
}
