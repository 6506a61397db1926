/* collectord/daemon.c - heaptap-collectord: one collector for the programs of all users, in the foreground.
 *
 * Signals arrive by signalfd, blocked before anything else runs: USR1 snapshots every session, TERM and INT drain,
 * take final snapshots and end with status 0, HUP is answered with a line.  Log: stderr, one line per change of a
 * session, escaped.  Under systemd the socket is passed in (sd_listen_fds) and readiness is reported (sd_notify).
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "collectord/cli/size.h"
#include "collectord/live/collector.h"
#include "common/handshake.h"

#define DEFAULT_STATE "/var/lib/heaptap"
#define DEFAULT_RATE (512u * 1024)
#define DEFAULT_INTERVAL_S 60
#define DEFAULT_KEEP 10
#define MAX_INTERVAL_S (7 * 24 * 3600)
#define EXIT_USAGE 2

struct daemon {
	struct loop *loop;
	struct collector *collector;
	struct collector_config config;
	struct loop_watch *signals;
	int signal_fd;
	uint64_t errors_told;
	bool stopping;
};

static void PRINTF(1, 2) say(const char *fmt, ...)
{
	struct fault line;
	char text[sizeof(line.text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_set(&line, 0, "%s", text); /* escapes what programs call themselves */
	fprintf(stderr, "heaptap-collectord: %s\n", line.text);
}

/* Path of the library beside this executable, in the build tree or in an installed one. */
static const char *find_shim(char path[PATH_MAX])
{
	static const char *const places[] = { "libheaptap.so", "../lib/heaptap/libheaptap.so" };
	char self[PATH_MAX] = "", near[2 * PATH_MAX];

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			snprintf(near, sizeof(near), "%.*s/%s", (int)(strrchr(self, '/') - self), self, places[i]);
			if (realpath(near, path))
				return path;
		}
	return "/usr/local/lib/heaptap/libheaptap.so";
}

static void help(void)
{
	char path[PATH_MAX];
	const char *shim = find_shim(path);

	printf("usage: heaptap-collectord [OPTIONS]\n"
	       "Collects heap profiles of the programs that run with libheaptap.so preloaded.\n\n"
	       "  --socket PATH    where programs attach (" HEAPTAP_DEFAULT_SOCKET ")\n"
	       "  --state DIR      where snapshots go, one directory per program (" DEFAULT_STATE ")\n"
	       "  --rate SIZE      mean bytes between samples, 1 = every allocation (512K)\n"
	       "  --interval SECS  time between snapshots, 0 = only on SIGUSR1 and at the end (%d)\n"
	       "  --keep N         periodic snapshots kept per program, 0 = all (%d)\n"
	       "  -h, --help, --version\n\n"
	       "Signals: USR1 snapshot of every program, TERM and INT snapshot and exit.\n"
	       "Example: heaptap-collectord --socket /tmp/h.sock --state /tmp/heap &\n"
	       "         HEAPTAP_SOCKET=/tmp/h.sock LD_PRELOAD=%s PROGRAM\n",
	       DEFAULT_INTERVAL_S, DEFAULT_KEEP, shim);
}

static int usage(const char *option, const char *value, const char *wanted)
{
	say("--%s %s: not %s; see --help", option, value, wanted);
	return EXIT_USAGE;
}

static bool parse_number(const char *text, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool parse_rate(const char *text, uint32_t *ret)
{
	uint64_t v;

	if (size_parse(text, &v) || v < 1 || v > ABI_MAX_RATE)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct collector_config *c)
{
	enum { SOCKET = 256, STATE, RATE, INTERVAL, KEEP, HELP, VERSION };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, SOCKET }, { "state", required_argument, NULL, STATE },
		{ "rate", required_argument, NULL, RATE },     { "interval", required_argument, NULL, INTERVAL },
		{ "keep", required_argument, NULL, KEEP },     { "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION },     { NULL, 0, NULL, 0 },
	};
	int o;

	opterr = 0;
	while ((o = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (o == SOCKET) {
			c->socket_path = optarg;
		} else if (o == STATE) {
			c->out_dir = optarg;
		} else if (o == RATE && !parse_rate(optarg, &c->rate)) {
			return usage("rate", optarg, "a size from 1 to 1G, like 512K");
		} else if (o == INTERVAL && !parse_number(optarg, MAX_INTERVAL_S, &c->interval_s)) {
			return usage("interval", optarg, "a number of seconds from 0 to 604800");
		} else if (o == KEEP && !parse_number(optarg, UINT32_MAX - 1, &c->keep)) {
			return usage("keep", optarg, "a number");
		} else if (o == HELP || o == 'h') {
			help();
			return EXIT_SUCCESS;
		} else if (o == VERSION) {
			puts("heaptap-collectord " HEAPTAP_VERSION);
			return EXIT_SUCCESS;
		} else if (o == ':' || o == '?') {
			if (optopt && optopt < SOCKET)
				say("-%c: unknown option; see --help", optopt);
			else
				say("%s: %s; see --help", argv[optind - 1],
				    o == ':' ? "needs a value after it" : "unknown option");
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		say("%s: no argument is expected here; see --help", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

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
	say("LD_PRELOAD names libheaptap.so, and starting again without it failed: %s; unset LD_PRELOAD",
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
	say("stopping: taking final snapshots of %zu program%s", pending, pending == 1 ? "" : "s");
	sd_notify(0, "STOPPING=1");
	collector_shutdown(d->collector);
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
			say("SIGHUP: there is no configuration file to read again");
		else
			stop(d);
	}
}

static void on_change(enum session_change what, const struct session_view *v, void *arg)
{
	static const char *const not_recorded[] = {
		[HELLO_EXE_DEFINES_MALLOC] = "the executable brings its own malloc",
		[HELLO_MIXED_ALLOCATORS] = "its allocation functions come from different libraries",
		[HELLO_SANITIZER] = "it is built with a sanitizer",
	};
	struct daemon *d = arg;

	switch (what) {
	case SESSION_STARTED:
		say("session %llu: pid %u of uid %u: %s", (unsigned long long)v->id, v->pid, v->uid, v->exe);
		break;
	case SESSION_SAVED:
		say("session %llu: wrote %s/%s", (unsigned long long)v->id, d->config.out_dir, v->last_snapshot);
		break;
	case SESSION_ENDED:
		say("session %llu: ended, %llu samples, %llu lost, %llu refused", (unsigned long long)v->id,
		    (unsigned long long)v->audit.samples, (unsigned long long)v->audit.untracked,
		    (unsigned long long)v->audit.corrupt);
		break;
	case SESSION_PASSIVE:
		say("pid %u of uid %u is not recorded: %s: %s", v->pid, v->uid,
		    v->status < ARRAY_SIZE(not_recorded) && not_recorded[v->status] ? not_recorded[v->status]
										    : "unknown reason",
		    v->exe);
		break;
	}
}

/* PROGRAM.PID, the program's name cut to harmless characters. */
static void name_session(const struct session_view *v, char *buf, size_t size, void *arg)
{
	const char *slash = strrchr(v->exe, '/');
	char name[64];
	size_t n = 0;

	(void)arg;
	for (const char *c = slash ? slash + 1 : v->exe; *c && n + 1 < sizeof(name); c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
			     strchr("._+-", *c);

		name[n++] = plain ? *c : '_';
	}
	name[n] = '\0';
	snprintf(buf, size, "%s.%u", n ? name : "unknown", v->pid);
}

/* 0, 1 if a socket was passed in, or -errno. */
static int take_passed_socket(struct collector_config *c)
{
	int n = sd_listen_fds(1);

	if (n <= 0)
		return n;
	if (n > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, NULL, 0) <= 0) {
		say("expected one listening unix socket of type SOCK_SEQPACKET from systemd: set "
		    "ListenSequentialPacket= in the socket unit");
		return -EINVAL;
	}
	c->listen_fd = SD_LISTEN_FDS_START;
	return 1;
}

/* Convenience for starts by hand; what matters is checked where it is used. */
static void make_directories(const struct collector_config *c, bool own_socket)
{
	char *path = strdup(c->socket_path);

	if (path && own_socket)
		mkdir(dirname(path), 0755);
	free(path);
	mkdir(c->out_dir, 0750);
}

static void tell_errors(struct daemon *d)
{
	const char *last;
	uint64_t n = collector_errors(d->collector, &last);

	if (n != d->errors_told)
		say("%s (%llu errors so far)", last, (unsigned long long)n);
	d->errors_told = n;
}

static int serve(struct daemon *d)
{
	int r = 0;

	say("listening on %s, snapshots below %s, %s",
	    d->config.listen_fd >= 0 ? "systemd's socket" : d->config.socket_path, d->config.out_dir,
	    loop_backend(d->loop));
	sd_notify(0, "READY=1");
	while (r == 0 && !(d->stopping && collector_pending(d->collector) == 0)) {
		r = loop_turn(d->loop, -1);
		tell_errors(d);
	}
	if (r)
		say("the event loop failed: %s", strerror(-r));
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int set_up(struct daemon *d)
{
	struct fault f;
	int passed = take_passed_socket(&d->config);

	if (passed < 0)
		return passed;
	make_directories(&d->config, passed == 0);
	if (loop_new(&d->loop, &f) || collector_new(d->loop, &d->config, &d->collector, &f)) {
		say("%s", f.text);
		return -EIO;
	}
	d->signals = loop_watch_fd(d->loop, d->signal_fd, POLLIN, on_signal, d);
	if (!d->signals) {
		say("out of memory");
		return -ENOMEM;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon d = {
		.config = { .socket_path = HEAPTAP_DEFAULT_SOCKET,
			    .listen_fd = -1,
			    .any_uid = true,
			    .out_dir = DEFAULT_STATE,
			    .rate = DEFAULT_RATE,
			    .interval_s = DEFAULT_INTERVAL_S,
			    .keep = DEFAULT_KEEP,
			    .name_session = name_session,
			    .on_change = on_change,
			    .arg = &d },
	};
	int status = parse_options(argc, argv, &d.config);

	if (status >= 0)
		return status;
	if (shed_preload(argv))
		return EXIT_FAILURE;
	d.signal_fd = block_signals();
	collector_raise_descriptors();
	status = d.signal_fd >= 0 && set_up(&d) == 0 ? serve(&d) : EXIT_FAILURE;
	loop_unwatch(d.signals);
	collector_free(d.collector);
	loop_free(d.loop);
	return status;
}
