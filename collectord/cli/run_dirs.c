/* collectord/cli/run_dirs.c - the directory of a run's snapshots, and the private one of its socket. */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "collectord/cli/run.h"
#include "collectord/live/bind.h"

#define SOCKET_NAME "/socket"
#define FRESH_S 60 /* seconds until a directory counts as left behind */

void dirs_sanitize(const char *name, char *buf, size_t size)
{
	const char *base = strrchr(name, '/');
	size_t n = 0;

	base = base ? base + 1 : name;
	for (; *base && n + 1 < size; base++, n++)
		buf[n] = isascii((unsigned char)*base) && (isalnum((unsigned char)*base) || strchr("._+-", *base))
				 ? *base
				 : '_';
	buf[n] = '\0';
	if (!n || buf[0] == '.')
		buf[0] = '_';
	if (!n && size > 1)
		buf[1] = '\0';
}

/* What a `heaptap run` that was killed left: a directory of ours with a socket nobody answers, or with nothing. One
 * that has just been made may not be listening yet. */
static bool is_left_behind(const char *dir, const char *socket)
{
	struct stat st, in;

	if (lstat(dir, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0777) != 0700 ||
	    time(NULL) - st.st_mtime <= FRESH_S)
		return false;
	return lstat(socket, &in) || (S_ISSOCK(in.st_mode) && !bind_is_answered(socket));
}

static void sweep(const char *parent)
{
	char pattern[PATH_MAX], socket[PATH_MAX];
	glob_t g = { 0 };

	if (snprintf(pattern, sizeof(pattern), "%s/heaptap.??????", parent) < (int)sizeof(pattern))
		glob(pattern, GLOB_NOSORT, NULL, &g);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *dir = g.gl_pathv[i];

		if (snprintf(socket, sizeof(socket), "%s" SOCKET_NAME, dir) >= (int)sizeof(socket) ||
		    !is_left_behind(dir, socket))
			continue;
		unlink(socket);
		rmdir(dir); /* not if there is anything else in it */
	}
	globfree(&g);
}

/* Below `parent` if the socket's name then fits struct sockaddr_un. */
static bool make_private(struct run_dirs *d, const char *parent)
{
	int n = snprintf(d->socket, sizeof(d->socket), "%s/heaptap.XXXXXX", parent);

	if (n < 0 || (size_t)n + sizeof(SOCKET_NAME) > sizeof(((struct sockaddr_un *)0)->sun_path))
		return false;
	if (!mkdtemp(d->socket)) /* 0700 */
		return false;
	sweep(parent);
	strcat(d->socket, SOCKET_NAME);
	return true;
}

int dirs_make_socket(struct run_dirs *d, struct fault *f)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if ((runtime && *runtime == '/' && make_private(d, runtime)) || make_private(d, "/tmp"))
		return 0;
	d->socket[0] = '\0';
	return fault_set(f, -errno, "/tmp: %s; heaptap needs a place for its socket: set XDG_RUNTIME_DIR to one",
			 strerror(errno));
}

void dirs_remove_socket(struct run_dirs *d)
{
	if (!d->socket[0])
		return;
	unlink(d->socket);
	d->socket[strlen(d->socket) - strlen(SOCKET_NAME)] = '\0';
	rmdir(d->socket);
	d->socket[0] = '\0';
}

/* As mkdir -p. */
static int make_parents(const char *path)
{
	char part[PATH_MAX];

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (char *slash = part + 1; *part && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(part, 0777) && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return mkdir(part, 0777) && errno != EEXIST ? -1 : 0;
}

/* pids come round again, soon so in containers: an earlier run's directory is never shared. */
int dirs_make_out(struct run_dirs *d, const char *parent, const char *program, pid_t pid, struct fault *f)
{
	bool here = !strcmp(parent, ".");
	char name[64];

	dirs_sanitize(program, name, sizeof(name));
	if (make_parents(parent))
		goto fail;
	for (unsigned i = 1; i < 10000; i++) {
		char again[16] = "";
		int n;

		if (i > 1)
			snprintf(again, sizeof(again), ".%u", i);
		n = snprintf(d->out, sizeof(d->out), "%s%sheaptap.%s.%d%s", here ? "" : parent, here ? "" : "/",
			     name, (int)pid, again);
		if ((size_t)n >= sizeof(d->out))
			errno = ENAMETOOLONG;
		else if (!mkdir(d->out, 0750))
			return 0;
		if (errno != EEXIST)
			break;
	}
fail:
	d->out[0] = '\0';
	return fault_set(f, -errno, "%s: cannot make a directory there: %s; choose another with -o DIR", parent,
			 strerror(errno));
}
