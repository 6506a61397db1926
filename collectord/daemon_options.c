/* collectord/daemon_options.c - see daemon_options.h. */
#include "collectord/daemon_options.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collectord/cli/size.h"
#include "collectord/daemon_config.h"
#include "collectord/daemon_log.h"
#include "collectord/live/collector.h"
#include "common/handshake.h"

#define DEFAULT_GROUP "heaptap"
#define MAX_INTERVAL_S (7 * 24 * 3600)
#define MAX_SESSIONS 100000u
#define EXIT_USAGE 2

static const struct daemon_settings defaults = {
	.socket = HEAPTAP_DEFAULT_SOCKET,
	.state = "/var/lib/heaptap",
	.rate = 512u * 1024,
	.interval_s = 60,
	.keep = 10,
	.max_sessions = COLLECTOR_MAX_SESSIONS,
	.max_sessions_per_user = COLLECTOR_MAX_SESSIONS_PER_USER,
	.max_processes_per_user = 8192,
	.max_memory_per_user = 1ull << 30,
	.max_files = 100000,
	.max_files_per_user = 20000,
	.max_size = 4ull << 30,
	.max_size_per_user = 1ull << 30,
};

/* --- values ---------------------------------------------------------------------------------------------- */

static bool parse_path(const char *text, void *ret)
{
	return *text && snprintf(ret, PATH_MAX, "%s", text) < PATH_MAX;
}

static bool parse_address(const char *text, void *ret)
{
	return *text && strlen(text) < sizeof(((struct daemon_settings *)0)->http) && strcpy(ret, text);
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

static bool parse_count(const char *text, void *ret)
{
	return parse_number(text, UINT32_MAX - 1, ret);
}

static bool parse_interval(const char *text, void *ret)
{
	return parse_number(text, MAX_INTERVAL_S, ret);
}

static bool parse_sessions(const char *text, void *ret)
{
	uint32_t v;

	if (!parse_number(text, MAX_SESSIONS, &v) || !v)
		return false;
	*(uint32_t *)ret = v;
	return true;
}

static bool parse_size(const char *text, void *ret)
{
	uint64_t v;

	if (size_parse(text, &v))
		return false;
	*(uint64_t *)ret = v;
	return true;
}

static bool parse_rate(const char *text, void *ret)
{
	uint64_t v;

	if (size_parse(text, &v) || v < 1 || v > ABI_MAX_RATE)
		return false;
	*(uint32_t *)ret = (uint32_t)v;
	return true;
}

/* The name service may be slow: asked when settings are read and never else.  The default group need not exist. */
static bool parse_group(const char *name, void *ret)
{
	const struct group *g = strcmp(name, "none") ? getgrnam(name) : NULL;

	*(uint32_t *)ret = g ? g->gr_gid : 0;
	return g || !strcmp(name, "none") || !strcmp(name, DEFAULT_GROUP);
}

struct setting {
	const char *name, *arg, *help;
	bool (*parse)(const char *text, void *ret);
	size_t offset; /* in struct daemon_settings */
	const char *wanted;
};

#define AT(field) offsetof(struct daemon_settings, field)

static const struct setting settings[] = {
	{ "socket", "PATH", "where programs attach and heaptap asks (" HEAPTAP_DEFAULT_SOCKET ")", parse_path,
	  AT(socket), "a path" },
	{ "state", "DIR", "where snapshots go, one directory per program (/var/lib/heaptap)", parse_path, AT(state),
	  "a path" },
	{ "rate", "SIZE", "mean bytes between samples, 1 = every allocation (512K)", parse_rate, AT(rate),
	  "a size from 1 to 1G, like 512K" },
	{ "interval", "SECS", "time between snapshots, 0 = only when asked and at the end (60)", parse_interval,
	  AT(interval_s), "a number of seconds from 0 to 604800" },
	{ "keep", "N", "periodic snapshots kept per program, 0 = all (10)", parse_count, AT(keep), "a number" },
	{ "max-sessions", "N", "programs recorded at a time (1024)", parse_sessions, AT(max_sessions),
	  "a number from 1 to 100000" },
	{ "max-sessions-per-user", "N", "of one user (512)", parse_sessions, AT(max_sessions_per_user),
	  "a number from 1 to 100000" },
	{ "max-processes-per-user", "N", "processes of one user in all programs, 0 = any number (8192)",
	  parse_count, AT(max_processes_per_user), "a number" },
	{ "max-memory-per-user", "SIZE", "of the collector for one user's programs, 0 = any (1G)", parse_size,
	  AT(max_memory_per_user), "a size like 1G" },
	{ "max-files", "N", "snapshots kept in all, 0 = any number (100000)", parse_count, AT(max_files),
	  "a number" },
	{ "max-files-per-user", "N", "of one user's programs (20000)", parse_count, AT(max_files_per_user),
	  "a number" },
	{ "max-size", "SIZE", "of all of them, 0 = any size (4G)", parse_size, AT(max_size), "a size like 4G" },
	{ "max-size-per-user", "SIZE", "of one user's (1G)", parse_size, AT(max_size_per_user), "a size like 1G" },
	{ "group", "NAME",
	  "members see and change everybody's programs, as root does (" DEFAULT_GROUP "); none = no group",
	  parse_group, AT(admin_gid), "a group of this system, and not \"none\"" },
	{ "http-socket", "PATH", "profiles over HTTP; none = nowhere (/run/heaptap/http.sock, or beside --socket)",
	  parse_path, AT(http_socket), "a path" },
	{ "http", "HOST:PORT", "the same on TCP, for who knows the token", parse_address, AT(http),
	  "an address like 127.0.0.1:6061" },
	{ "http-token", "FILE", "where that is; made if there is none (http-token in the state directory)",
	  parse_path, AT(http_token), "a path" },
};

static int take(void *arg, const char *name, const char *value, struct fault *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *s = &settings[i];

		if (strcmp(s->name, name))
			continue;
		if (s->parse(value, (char *)arg + s->offset))
			return 0;
		return fault_set(f, -EINVAL, "%s %s: not %s", name, value, s->wanted);
	}
	return fault_set(f, -EINVAL, "%s: unknown setting; `heaptap-collectord --help` lists them", name);
}

/* --- the command line ------------------------------------------------------------------------------------ */

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

static void help_setting(const char *name, const char *arg, const char *text)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s %s", name, arg);
	printf("  %-27s  %s\n", left, text);
}

static void help(void)
{
	char path[PATH_MAX];

	puts("usage: heaptap-collectord [OPTIONS]\n"
	     "Collects heap profiles of the programs that run with libheaptap.so preloaded.\n");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		help_setting(settings[i].name, settings[i].arg, settings[i].help);
	help_setting("config", "FILE", "settings, if there is one (" DAEMON_CONFIG_FILE ")");
	printf("  -h, --help, --version\n\n"
	       "Lines of FILE are NAME = VALUE with the names above; options come first.  SIGHUP reads it again: a "
	       "file "
	       "with\nan error changes nothing, socket, state and http wait for the next start.\n"
	       "A program that ends without a sample leaves no snapshot.  A user sees the own programs.  When "
	       "there are\n"
	       "too many snapshots the oldest go, of the user who has the most; the newest of a running program "
	       "stays.\n"
	       "Signals: USR1 snapshot of every program, HUP settings, TERM and INT snapshot and exit.\n"
	       "Example: heaptap-collectord --socket /tmp/h.sock --state /tmp/heap &\n"
	       "         HEAPTAP_SOCKET=/tmp/h.sock LD_PRELOAD=%s PROGRAM\n"
	       "         heaptap ps --socket /tmp/h.sock\n",
	       find_shim(path));
}

enum { SETTING = 256, CONFIG = SETTING + ARRAY_SIZE(settings), HELP, VERSION };

static void fill_getopt(struct option table[ARRAY_SIZE(settings) + 4])
{
	size_t n = 0;

	for (; n < ARRAY_SIZE(settings); n++)
		table[n] = (struct option){ settings[n].name, required_argument, NULL, SETTING + (int)n };
	table[n++] = (struct option){ "config", required_argument, NULL, CONFIG };
	table[n++] = (struct option){ "help", no_argument, NULL, HELP };
	table[n++] = (struct option){ "version", no_argument, NULL, VERSION };
	table[n] = (struct option){ 0 };
}

static int refuse(int o, char **argv)
{
	if (optopt && optopt < SETTING)
		log_fail("-%c: unknown option; see --help", optopt);
	else
		log_fail("%s: %s; see --help", argv[optind - 1],
			 o == ':' ? "needs a value after it" : "unknown option");
	return EXIT_USAGE;
}

static int print(int o)
{
	if (o == VERSION)
		puts("heaptap-collectord " HEAPTAP_VERSION);
	else
		help();
	return EXIT_SUCCESS;
}

/* One option.  The exit status, or -1 to go on. */
static int take_option(int o, char **argv, struct daemon_settings *s, const char **ret_file)
{
	struct fault f;

	if (o == HELP || o == 'h' || o == VERSION)
		return print(o);
	if (o == ':' || o == '?')
		return refuse(o, argv);
	if (o == CONFIG) {
		*ret_file = optarg;
		return -1;
	}
	if (!take(s, settings[o - SETTING].name, optarg, &f))
		return -1;
	log_fail("--%s; see --help", f.text);
	return EXIT_USAGE;
}

static int command_line(int argc, char **argv, struct daemon_settings *s, const char **ret_file)
{
	struct option table[ARRAY_SIZE(settings) + 4];
	int o, status = -1;

	fill_getopt(table);
	opterr = 0;
	optind = 0; /* start afresh */
	while (status < 0 && (o = getopt_long(argc, argv, ":h", table, NULL)) != -1)
		status = take_option(o, argv, s, ret_file);
	if (status < 0 && optind < argc) {
		log_fail("%s: no argument is expected here; see --help", argv[optind]);
		status = EXIT_USAGE;
	}
	return status;
}

/* The default file need not exist. */
static int read_file(const char *named, struct daemon_settings *s, struct fault *f)
{
	const char *path = named ? named : DAEMON_CONFIG_FILE;
	int r = config_read(path, take, s, f);

	if (r == -ENOENT && !named) {
		f->text[0] = '\0';
		return 0;
	}
	if (!r)
		snprintf(s->file, sizeof(s->file), "%s", path);
	return r;
}

/* Defaults, file, command line, in this order.  -1, an exit status, or 0 with a fault: the file is at fault. */
static int load(int argc, char **argv, struct daemon_settings *ret, struct fault *f)
{
	struct daemon_settings s = defaults;
	const char *file = NULL;
	int status = command_line(argc, argv, &s, &file);

	if (status >= 0)
		return status;
	s = defaults;
	parse_group(DEFAULT_GROUP, &s.admin_gid);
	if (read_file(file, &s, f))
		return 0;
	status = command_line(argc, argv, &s, &file);
	if (status < 0)
		*ret = s;
	return status;
}

int daemon_options(int argc, char **argv, struct daemon_settings *ret)
{
	struct fault f = { "" };
	int status = load(argc, argv, ret, &f);

	if (!*f.text)
		return status;
	log_fail("%s", f.text);
	return EXIT_USAGE;
}

int daemon_options_again(int argc, char **argv, struct daemon_settings *ret, struct fault *f)
{
	f->text[0] = '\0';
	return load(argc, argv, ret, f) < 0 ? 0 : -EINVAL;
}

/* Texts are looked at when the daemon starts and never again. */
static bool is_fixed(const struct setting *s)
{
	return s->parse == parse_path || s->parse == parse_address;
}

const char *daemon_settings_waiting(const struct daemon_settings *now, const struct daemon_settings *wanted,
				    char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(settings) && n < size; i++) {
		const struct setting *s = &settings[i];

		if (is_fixed(s) && strcmp((const char *)now + s->offset, (const char *)wanted + s->offset))
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", s->name);
	}
	return buf;
}

void daemon_settings_apply(const struct daemon_settings *s, struct collector_config *c)
{
	c->socket_path = s->socket;
	c->out_dir = s->state;
	c->rate = s->rate;
	c->interval_s = s->interval_s;
	c->max_sessions = s->max_sessions;
	c->max_sessions_per_user = s->max_sessions_per_user;
	c->admin_gid = s->admin_gid;
	c->max_memory_per_user = s->max_memory_per_user;
	c->max_processes_per_user = s->max_processes_per_user;
	c->retain = (struct retain_limits){
		.keep = s->keep,
		.files = s->max_files,
		.files_per_user = s->max_files_per_user,
		.bytes = s->max_size,
		.bytes_per_user = s->max_size_per_user,
	};
}
