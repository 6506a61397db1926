/* collectord/cli/doctor_collector.c - heaptap doctor: is there a collector, may we, and whose programs do we see?
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/cli/ask.h"
#include "collectord/cli/doctor.h"
#include "collectord/cli/run.h"
#include "common/handshake.h"

#define GROUP "heaptap"

static void answered(struct doctor *d, const char *path, const struct answer *a)
{
	const struct control_end *e = &a->end;

	if (strcmp(e->version, HEAPTAP_VERSION))
		doctor_find(d, DOCTOR_WARN, "collector", "restart it after an upgrade",
			    "%s: heaptap %s answers, this is %s", path, e->version, HEAPTAP_VERSION);
	else if (e->errors)
		doctor_find(d, DOCTOR_WARN, "collector", "look at its log and at the disk",
			    "%s: %llu snapshots could not be written%s%s", path, (unsigned long long)e->errors,
			    *e->last_error ? "; last: " : "", e->last_error);
	else if (e->refused)
		doctor_find(d, DOCTOR_WARN, "collector", "raise --max-sessions or --max-sessions-per-user",
			    "%s: %llu programs met a limit (%u at a time, %u of one user)", path,
			    (unsigned long long)e->refused, e->max_sessions, e->max_sessions_per_user);
	else
		doctor_find(d, DOCTOR_OK, "collector", "", "%s: heaptap %s answers, %u programs are recorded", path,
			    e->version, e->sessions);
}

static void ask_it(struct doctor *d, const char *path)
{
	const struct control_request q = { .verb = CONTROL_LIST };
	struct answer a = { .fd = -1 };
	struct fault f = { "" };

	if (ask(path, &q, ASK_MS, &a, &f))
		doctor_find(d, DOCTOR_FAIL, "collector",
			    "restart it: systemctl restart heaptap-collectord, or start heaptap-collectord", "%s",
			    f.text);
	else
		answered(d, path, &a);
	answer_done(&a);
}

static bool is_installed(void)
{
	static const char *const folders[] = { "/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib" };
	char path[96];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/systemd/system/heaptap-collectord.socket", folders[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* `heaptap run` works all the same. */
static void is_absent(struct doctor *d, const char *path)
{
	if (access("/run/systemd/system", F_OK))
		doctor_find(d, DOCTOR_WARN, "collector",
			    "use `heaptap run`, which needs none, or start heaptap-collectord yourself",
			    "%s: not there, and systemd, which would start it, does not run here", path);
	else if (!is_installed())
		doctor_find(d, DOCTOR_WARN, "collector",
			    "use `heaptap run`, which needs none; for services install heaptap (make deb, make "
			    "install)",
			    "%s: not there: the service is not installed", path);
	else
		doctor_find(
			d, DOCTOR_WARN, "collector",
			"systemctl enable --now heaptap-collectord.socket, or use `heaptap run`, which needs none",
			"%s: not there: heaptap-collectord.socket is not started", path);
}

static void collector(struct doctor *d)
{
	const char *env = getenv(HEAPTAP_ENV_SOCKET), *named = d->socket ? d->socket : env;
	const char *path = named && *named ? named : HEAPTAP_DEFAULT_SOCKET;
	struct stat st;

	if (stat(path, &st) && path != named && errno == ENOENT)
		is_absent(d, path);
	else if (stat(path, &st))
		doctor_find(d, DOCTOR_FAIL, "collector", "give the socket of a running collector", "%s: %s", path,
			    strerror(errno));
	else if (!S_ISSOCK(st.st_mode))
		doctor_find(d, DOCTOR_FAIL, "collector", "remove it, or give the path of a socket",
			    "%s: not a socket", path);
	else if (access(path, W_OK))
		doctor_find(d, DOCTOR_FAIL, "collector",
			    "its mode must let you write (0666 for a collector of all users)", "%s: %s", path,
			    strerror(errno));
	else
		ask_it(d, path);
}

static bool is_member(gid_t gid)
{
	int n = getgroups(0, NULL);
	gid_t *list = n > 0 ? calloc((size_t)n, sizeof(*list)) : NULL;
	bool found = getegid() == gid;

	n = list ? getgroups(n, list) : 0;
	for (int i = 0; i < n; i++)
		found |= list[i] == gid;
	free(list);
	return found;
}

static void group(struct doctor *d)
{
	const struct group *g = getgrnam(GROUP);

	if (geteuid() == 0)
		doctor_find(d, DOCTOR_OK, "group", "", "root sees everybody's programs");
	else if (g && is_member(g->gr_gid))
		doctor_find(d, DOCTOR_OK, "group", "", "a member of " GROUP ": you see everybody's programs");
	else
		doctor_find(d, DOCTOR_OK, "group", "", "you see your own programs%s",
			    g ? "; members of " GROUP " see all (usermod -aG " GROUP " USER)" : "");
}

/* What `heaptap run` needs. */
static void places(struct doctor *d)
{
	struct run_dirs dirs = { 0 };
	struct fault f = { "" };

	if (dirs_make_socket(&dirs, &f))
		doctor_find(d, DOCTOR_FAIL, "socket place", "set XDG_RUNTIME_DIR to a directory of yours", "%s",
			    f.text);
	else
		doctor_find(d, DOCTOR_OK, "socket place", "", "`heaptap run` can make its socket (%s)",
			    dirs.socket);
	dirs_remove_socket(&dirs);
	if (access(".", W_OK | X_OK))
		doctor_find(d, DOCTOR_WARN, "this directory", "choose another one with `heaptap run -o DIR`",
			    "snapshots cannot be written here: %s", strerror(errno));
	else
		doctor_find(d, DOCTOR_OK, "this directory", "", "snapshots can be written here");
}

void doctor_collector(struct doctor *d)
{
	collector(d);
	group(d);
	places(d);
}
