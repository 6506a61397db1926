/* collectord/cli/doctor_library.c - heaptap doctor: is libheaptap.so there, and can programs load it?
 *
 * Asked of the loader itself: a program that does nothing is run with it; by root a second time, as a user without
 * rights: services and users' programs are recorded with the same file. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collectord/cli/clock.h"
#include "collectord/cli/doctor.h"
#include "collectord/cli/run.h"
#include "common/handshake.h"

#define NOBODY 65534u
#define LOAD_MS 10000
#define HARMLESS "/bin/true"

/* The part of `path` that keeps others from reading it, or NULL; cuts `path`. */
static const char *closed_part(char *path)
{
	struct stat st;

	if (stat(path, &st) || !(st.st_mode & S_IROTH))
		return path;
	for (char *slash = strrchr(path, '/'); slash && slash > path; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (stat(path, &st) || !(st.st_mode & S_IXOTH))
			return path;
	}
	return NULL;
}

static void become_harmless(const char *library, bool as_nobody, int err)
{
	char *const argv[] = { (char *)HARMLESS, NULL };

	if (as_nobody && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		_exit(1);
	dup2(err, STDERR_FILENO);
	setenv("LD_PRELOAD", library, 1);
	setenv(HEAPTAP_ENV_SOCKET, "/dev/null", 1); /* nobody records it */
	execv(HARMLESS, argv);
	_exit(1);
}

/* True if a program can load it.  What the loader says to it otherwise, cut. */
static bool load(const char *library, bool as_nobody, char *said, size_t size)
{
	uint64_t deadline = clock_ns() + LOAD_MS * 1000000ull;
	int p[2], status = -1;
	size_t n = 0;
	ssize_t got = 1;
	pid_t pid;

	snprintf(said, size, "a program cannot be started");
	if (pipe2(p, O_CLOEXEC))
		return false;
	pid = fork();
	if (pid == 0)
		become_harmless(library, as_nobody, p[1]);
	close(p[1]);
	while (pid > 0 && got > 0 && n + 1 < size && clock_ns() < deadline) {
		struct pollfd in = { .fd = p[0], .events = POLLIN };

		got = poll(&in, 1, 100) == 1 ? read(p[0], said + n, size - 1 - n) : 1;
		n += in.revents && got > 0 ? (size_t)got : 0;
	}
	close(p[0]);
	if (pid <= 0)
		return false;
	said[n] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (got > 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status && !*said)
		snprintf(said, size, "a program that loads it does not end well");
	return !*said;
}

static void loads(struct doctor *d, const char *library)
{
	const bool is_root = geteuid() == 0;
	char said[400], copy[PATH_MAX];
	const char *closed;

	snprintf(copy, sizeof(copy), "%s", library);
	closed = closed_part(copy);
	if (!load(library, false, said, sizeof(said)))
		doctor_find(d, DOCTOR_FAIL, "library loads",
			    "you must be able to read it and to pass the directories above it, which must not be "
			    "mounted noexec",
			    "%s", said);
	else if (closed || (is_root && !load(library, true, said, sizeof(said))))
		doctor_find(d, DOCTOR_WARN, "library loads",
			    "for programs of other users: install heaptap, or chmod o+rx what is closed",
			    "your programs can load it, those of other users cannot: %s%s", closed ? closed : said,
			    closed ? " is closed to them" : "");
	else
		doctor_find(d, DOCTOR_OK, "library loads", "", "programs of %s can load it",
			    is_root ? "any user" : "yours");
}

void doctor_library(struct doctor *d)
{
	struct target t;
	struct fault f = { "" };

	if (target_find(HARMLESS, &t, &f)) {
		doctor_find(d, DOCTOR_FAIL, "library", "install heaptap anew, or set HEAPTAP_LIB", "%s", f.text);
		return;
	}
	doctor_find(d, DOCTOR_OK, "library", "", "%s", t.shim);
	loads(d, t.shim);
}
