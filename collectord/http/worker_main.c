/* collectord/http/worker_main.c - the worker process: limits, another user, the sandbox, then its one task.
 *
 * Descriptor 3 holds the task, 4 takes the answer; nothing else is open.  Exit status 0: the answer is complete.
 * WORKER_TOO_LARGE: it would have been more than an answer may be.  Whatever else fails ends it with another
 * status: the collector knows what to do then.  It says nothing to anybody. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/http/worker.h"
#include "collectord/http/worker_impl.h"
#include "collectord/http/worker_sandbox.h"
#include "collectord/profile/symbol_cache.h"

/* The task and its parts, where the memfd is mapped. */
static int read_task(struct task *ret, struct task_parts *ret_parts)
{
	struct stat st;
	const char *at;
	size_t left;

	if (fstat(WORKER_TASK_FD, &st) || st.st_size < (off_t)sizeof(*ret))
		return -EINVAL;
	left = (size_t)st.st_size;
	at = mmap(NULL, left, PROT_READ, MAP_PRIVATE, WORKER_TASK_FD, 0);
	if (at == MAP_FAILED)
		return -errno;
	memcpy(ret, at, sizeof(*ret));
	if (ret->magic != TASK_MAGIC)
		return -EINVAL;
	at += sizeof(*ret);
	left -= sizeof(*ret);
	for (int i = 0; i < TASK_PARTS; i++) {
		if (ret->len[i] > left)
			return -EINVAL;
		ret_parts->at[i] = at;
		at += ret->len[i];
		left -= ret->len[i];
	}
	return 0;
}

/* The folder of answers, if there is one to name, and nobody but us can have filled it: then it is made now, as
 * that cannot be done later.  NULL: none. */
static const char *cache_of(const struct task *t, const struct task_parts *parts)
{
	const char *path = parts->at[TASK_CACHE];
	int fd;

	if (!t->len[TASK_CACHE] || path[t->len[TASK_CACHE] - 1] || !(t->flags & TASK_NAMES))
		return NULL;
	fd = symbol_cache_folder(path);
	if (fd < 0)
		return NULL;
	close(fd);
	return path;
}

/* As much as there may be was written: it is not complete, or it cannot be known that it is. */
static bool is_full(void)
{
	struct rlimit most;
	struct stat st;

	return !getrlimit(RLIMIT_FSIZE, &most) && most.rlim_cur != RLIM_INFINITY && !fstat(WORKER_ANSWER_FD, &st) &&
	       (rlim_t)st.st_size >= most.rlim_cur;
}

static int work(void)
{
	FILE *out = fdopen(WORKER_ANSWER_FD, "w");
	struct task_parts parts = { .memory = NULL };
	struct procmem memory;
	struct task t;
	int r = out ? sandbox_limit() : -errno;

	if (!r)
		r = read_task(&t, &parts);
	if (!r && t.kind == TASK_GOTEXT) {
		procmem_read(t.pid, &memory);
		parts.memory = &memory;
	}
	if (!r && sandbox_become(t.uid, t.pid))
		t.flags &= ~TASK_NAMES; /* as who we are we must not open what that user names */
	if (!r)
		parts.cache = cache_of(&t, &parts);
	if (!r)
		r = sandbox_close(&parts.cache);
	if (!r)
		r = task_perform(&t, &parts, out, NULL);
	if (out && fflush(out) && !r)
		r = -EIO;
	return r && is_full() ? WORKER_TOO_LARGE : r ? EXIT_FAILURE : EXIT_SUCCESS;
}

void worker_main_if_asked(int argc, char **argv)
{
	if (argc != 1 || strcmp(argv[0], WORKER_NAME))
		return;
	close_range(WORKER_ANSWER_FD + 1, ~0u, 0);
	_exit(work());
}
