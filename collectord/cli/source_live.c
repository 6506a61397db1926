/* collectord/cli/source_live.c - see source_live.h.
 *
 * The snapshot comes as a sealed memfd: the reader need not be allowed to read the collector's files, and the
 * collector cannot change it under the reader. */
#include "collectord/cli/source_live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/cli/traced.h"
#include "collectord/profile/snapshot.h"

#define FD_PATH "/proc/self/fd/"

static int live_fd = -1; /* of the last one */

bool source_was_live(const char *path)
{
	const size_t n = sizeof(FD_PATH) - 1;

	return live_fd >= 0 && !strncmp(path, FD_PATH, n) && atoi(path + n) == live_fd;
}

bool source_may_be_live(const char *source)
{
	size_t n = strlen(source), s = strlen(SNAPSHOT_SUFFIX);

	return n && !strchr(source, '/') && !(n > s && !strcmp(source + n - s, SNAPSHOT_SUFFIX));
}

int source_live(const char *source, char **ret_path, struct fault *f)
{
	struct control_request q = { .verb = CONTROL_FETCH };
	struct answer a = { .fd = -1 };
	struct traced t;
	uint32_t pid;
	int r = traced_one(source, NULL, &t, f);

	if (r == -ESRCH && !traced_is_pid(source, &pid))
		return fault_set(
			f, -ENOENT,
			"%s: %s; name a snapshot (*%s), a directory of them, or a program that `heaptap ps` "
			"lists",
			source, strerror(ENOENT), SNAPSHOT_SUFFIX);
	if (r)
		return r;
	q.pid = t.process.pid;
	q.session = t.process.session;
	r = ask(t.socket, &q, ASK_MS, &a, f);
	if (!r && a.fd < 0)
		r = fault_set(f, -EPROTO, "%s: the collector's answer makes no sense", t.socket);
	if (!r && asprintf(ret_path, FD_PATH "%d", a.fd) < 0)
		r = fault_set(f, -ENOMEM, "out of memory");
	if (!r) {
		live_fd = a.fd;
		a.fd = -1; /* stays open */
	}
	answer_done(&a);
	return r;
}
