/* collectord/daemon_options.c - see daemon_options.h. */
#include "collectord/daemon_options.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/size.h"
#include "collectord/daemon_log.h"
#include "common/handshake.h"

#define DEFAULT_STATE "/var/lib/heaptap"
#define DEFAULT_RATE (512u * 1024)
#define DEFAULT_INTERVAL_S 60
#define DEFAULT_KEEP 10
#define DEFAULT_GROUP "heaptap"
#define MAX_INTERVAL_S (7 * 24 * 3600)
#define MAX_SESSIONS 100000u
#define EXIT_USAGE 2

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
	       "  --socket PATH    where programs attach and heaptap asks (" HEAPTAP_DEFAULT_SOCKET ")\n"
	       "  --state DIR      where snapshots go, one directory per program (" DEFAULT_STATE ")\n"
	       "  --rate SIZE      mean bytes between samples, 1 = every allocation (512K)\n"
	       "  --interval SECS  time between snapshots, 0 = only on SIGUSR1 and at the end (%d)\n"
	       "  --keep N         periodic snapshots kept per program, 0 = all (%d)\n"
	       "  --max-sessions N           programs recorded at a time (%u)\n"
	       "  --max-sessions-per-user N  of one user (%u)\n"
	       "  --group NAME     members see and change everybody's programs, as root does (" DEFAULT_GROUP
	       "); none = no group\n"
	       "  -h, --help, --version\n\n"
	       "A program that ends without a sample leaves no snapshot.  A user sees the own programs.\n"
	       "Signals: USR1 snapshot of every program, TERM and INT snapshot and exit.\n"
	       "Example: heaptap-collectord --socket /tmp/h.sock --state /tmp/heap &\n"
	       "         HEAPTAP_SOCKET=/tmp/h.sock LD_PRELOAD=%s PROGRAM\n"
	       "         heaptap ps --socket /tmp/h.sock\n",
	       DEFAULT_INTERVAL_S, DEFAULT_KEEP, COLLECTOR_MAX_SESSIONS, COLLECTOR_MAX_SESSIONS_PER_USER, shim);
}

static int usage(const char *option, const char *value, const char *wanted)
{
	log_say("--%s %s: not %s; see --help", option, value, wanted);
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

static bool parse_sessions(const char *text, uint32_t *ret)
{
	return parse_number(text, MAX_SESSIONS, ret) && *ret;
}

/* Asked once, here: the name service may be slow.  The default group need not exist. */
static bool parse_group(const char *name, uint32_t *ret)
{
	const struct group *g = strcmp(name, "none") ? getgrnam(name) : NULL;

	*ret = g ? g->gr_gid : 0;
	return g || !strcmp(name, "none") || !strcmp(name, DEFAULT_GROUP);
}

enum { SOCKET = 256, STATE, RATE, INTERVAL, KEEP, SESSIONS, PER_USER, GROUP, HELP, VERSION };

static const struct option options[] = {
	{ "socket", required_argument, NULL, SOCKET },
	{ "state", required_argument, NULL, STATE },
	{ "rate", required_argument, NULL, RATE },
	{ "interval", required_argument, NULL, INTERVAL },
	{ "keep", required_argument, NULL, KEEP },
	{ "max-sessions", required_argument, NULL, SESSIONS },
	{ "max-sessions-per-user", required_argument, NULL, PER_USER },
	{ "group", required_argument, NULL, GROUP },
	{ "help", no_argument, NULL, HELP },
	{ "version", no_argument, NULL, VERSION },
	{ NULL, 0, NULL, 0 },
};

/* The exit status, or -1: the value was taken. */
static int take_value(int option, struct collector_config *c)
{
	if (option == SOCKET)
		c->socket_path = optarg;
	else if (option == STATE)
		c->out_dir = optarg;
	else if (option == RATE && !parse_rate(optarg, &c->rate))
		return usage("rate", optarg, "a size from 1 to 1G, like 512K");
	else if (option == INTERVAL && !parse_number(optarg, MAX_INTERVAL_S, &c->interval_s))
		return usage("interval", optarg, "a number of seconds from 0 to 604800");
	else if (option == KEEP && !parse_number(optarg, UINT32_MAX - 1, &c->keep))
		return usage("keep", optarg, "a number");
	else if (option == SESSIONS && !parse_sessions(optarg, &c->max_sessions))
		return usage("max-sessions", optarg, "a number from 1 to 100000");
	else if (option == PER_USER && !parse_sessions(optarg, &c->max_sessions_per_user))
		return usage("max-sessions-per-user", optarg, "a number from 1 to 100000");
	else if (option == GROUP && !parse_group(optarg, &c->admin_gid))
		return usage("group", optarg, "a group of this system, and not \"none\"");
	return -1;
}

static int refuse(int o, char **argv)
{
	if (optopt && optopt < SOCKET)
		log_say("-%c: unknown option; see --help", optopt);
	else
		log_say("%s: %s; see --help", argv[optind - 1],
			o == ':' ? "needs a value after it" : "unknown option");
	return EXIT_USAGE;
}

int daemon_options(int argc, char **argv, struct collector_config *c)
{
	int o, status = -1;

	c->socket_path = HEAPTAP_DEFAULT_SOCKET;
	c->out_dir = DEFAULT_STATE;
	c->rate = DEFAULT_RATE;
	c->interval_s = DEFAULT_INTERVAL_S;
	c->keep = DEFAULT_KEEP;
	parse_group(DEFAULT_GROUP, &c->admin_gid);
	opterr = 0;
	while (status < 0 && (o = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (o == HELP || o == 'h') {
			help();
			return EXIT_SUCCESS;
		}
		if (o == VERSION) {
			puts("heaptap-collectord " HEAPTAP_VERSION);
			return EXIT_SUCCESS;
		}
		status = o == ':' || o == '?' ? refuse(o, argv) : take_value(o, c);
	}
	if (status < 0 && optind < argc) {
		log_say("%s: no argument is expected here; see --help", argv[optind]);
		status = EXIT_USAGE;
	}
	return status;
}
