/* tests/tools/disk_faults.so.c - a preload for the collector: steps of its file writes fail, or it dies at them.
 *
 * With either backend of collectord/live/loop.h: strace cannot reach into io_uring.  The file $HEAPTAP_FAULT holds
 * one line "STEP HOW COUNT": STEP is open, write, fsync, rename or dirsync of a temporary file (name with .tmp), or
 * of io_uring only poll (a poll's completion) or enter (the submission itself); HOW is the name of an error, short
 * (half of a write), kill-before (the step) or kill-after (it is complete, its completion unseen).  The next COUNT
 * steps of that kind have the fault, then the file is removed: that is how a test knows that it happened.  One
 * thread, as the loop. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct {
	char step[16], how[16];
	int count;
} fault;

/* The request in the kernel's hands that has the fault; what its completion becomes, or 1: death. */
static struct {
	unsigned long long user_data;
	int res;
} marked[512];
static unsigned n_marked;

static const struct {
	const char *name;
	int error;
} errors[] = {
	{ "EIO", EIO },       { "ENOSPC", ENOSPC },       { "EINTR", EINTR },
	{ "EAGAIN", EAGAIN }, { "ECANCELED", ECANCELED }, { "EMFILE", EMFILE },
	{ "ENOMEM", ENOMEM }, { "EBUSY", EBUSY },         { "EDQUOT", EDQUOT },
};

static bool read_fault(void)
{
	const char *path = getenv("HEAPTAP_FAULT");
	FILE *f = path ? fopen(path, "re") : NULL;
	bool ok;

	if (!f)
		return false;
	ok = fscanf(f, "%15s %15s %d", fault.step, fault.how, &fault.count) == 3;
	fclose(f);
	return ok;
}

/* One of the faults to be has happened. */
static void spend(void)
{
	const char *path = getenv("HEAPTAP_FAULT");
	FILE *f;

	if (--fault.count == 0) {
		unlink(path);
		return;
	}
	f = fopen(path, "we");
	if (!f)
		abort();
	fprintf(f, "%s %s %d\n", fault.step, fault.how, fault.count);
	fclose(f);
}

static void die(void)
{
	spend();
	kill(getpid(), SIGKILL);
}

static int error_of_fault(void)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (!strcmp(errors[i].name, fault.how))
			return errors[i].error;
	abort();
}

static bool is_temporary(int fd)
{
	char link[32], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	return strstr(path, ".tmp") != NULL;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_due(const char *step)
{
	return step && read_fault() && !strcmp(step, fault.step);
}

static const char *fsync_step(int fd)
{
	return is_directory(fd) ? "dirsync" : is_temporary(fd) ? "fsync" : NULL;
}

/* --- epoll: the calls themselves ------------------------------------------------------------------------------ */

/* 0: the call is to be made, and ends in death if *ret_dies; else errno is set. */
static int call_fails(const char *step, bool *ret_dies)
{
	*ret_dies = false;
	if (!is_due(step))
		return 0;
	if (!strcmp(fault.how, "kill-before"))
		die();
	*ret_dies = !strcmp(fault.how, "kill-after");
	if (*ret_dies || !strcmp(fault.how, "short"))
		return 0;
	errno = error_of_fault();
	spend();
	return -1;
}

EXPORT int openat(int dirfd, const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;
	bool dies;
	int fd;

	va_start(list, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
	va_end(list);
	if (call_fails(strstr(path, ".tmp") ? "open" : NULL, &dies))
		return -1;
	fd = NEXT(openat)(dirfd, path, flags, mode);
	if (dies)
		die();
	return fd;
}

EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
	bool dies, ours = is_temporary(fd);
	ssize_t r;

	if (call_fails(ours ? "write" : NULL, &dies))
		return -1;
	if (ours && is_due("write") && !strcmp(fault.how, "short")) {
		n /= 2;
		spend();
	}
	r = NEXT(write)(fd, buf, n);
	if (dies)
		die();
	return r;
}

EXPORT int fsync(int fd)
{
	bool dies;
	int r;

	if (call_fails(fsync_step(fd), &dies))
		return -1;
	r = NEXT(fsync)(fd);
	if (dies)
		die();
	return r;
}

EXPORT int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	bool dies;
	int r;

	if (call_fails(strstr(from, ".tmp") ? "rename" : NULL, &dies))
		return -1;
	r = NEXT(renameat)(from_fd, from, to_fd, to);
	if (dies)
		die();
	return r;
}

/* --- io_uring: requests before their submission, completions before they are read --------------------------------
 */

static const char *step_of(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_OPENAT:
		return "open";
	case IORING_OP_WRITE:
		return "write";
	case IORING_OP_FSYNC:
		return fsync_step(sqe->fd);
	case IORING_OP_RENAMEAT:
		return "rename";
	case IORING_OP_POLL_ADD:
		return "poll";
	}
	return NULL;
}

/* Fails, and breaks its chain as any failure does: no such descriptor. */
static void make_fail(struct io_uring_sqe *sqe)
{
	sqe->opcode = IORING_OP_FSYNC;
	sqe->fd = -1;
	sqe->off = sqe->addr = 0;
	sqe->len = sqe->fsync_flags = 0;
}

static void mark(const struct io_uring_sqe *sqe, int res)
{
	if (n_marked == sizeof(marked) / sizeof(*marked))
		abort();
	marked[n_marked].user_data = sqe->user_data;
	marked[n_marked++].res = res;
}

static struct io_uring_sqe *queued(struct io_uring *ring, unsigned at)
{
	return &ring->sq.sqes[at & ring->sq.ring_mask];
}

static void make_nothing(struct io_uring_sqe *sqe)
{
	unsigned char flags = sqe->flags;
	unsigned long long data = sqe->user_data;

	io_uring_prep_nop(sqe);
	sqe->flags = flags;
	sqe->user_data = data;
}

/* Of a chain what comes before death is done, and nothing else: nobody sees completions in between. */
static void die_at(struct io_uring *ring, unsigned at, bool before)
{
	mark(queued(ring, at), 1);
	if (before)
		make_nothing(queued(ring, at));
	while (queued(ring, at)->flags & IOSQE_IO_LINK && ++at != ring->sq.sqe_tail)
		make_nothing(queued(ring, at));
}

static void put_fault(struct io_uring *ring, unsigned at)
{
	struct io_uring_sqe *sqe = queued(ring, at);

	if (!strncmp(fault.how, "kill", 4)) {
		die_at(ring, at, !strcmp(fault.how, "kill-before"));
		return;
	}
	if (!strcmp(fault.how, "short")) {
		/* The kernel takes it for complete: the chain has to be broken by hand. */
		sqe->len /= 2;
		if (sqe->flags & IOSQE_IO_LINK) {
			make_fail(queued(ring, at + 1));
			mark(queued(ring, at + 1), -ECANCELED);
		}
	} else {
		make_fail(sqe);
		mark(sqe, -error_of_fault());
	}
	spend();
}

static void before(struct io_uring *ring)
{
	for (unsigned at = ring->sq.sqe_head; at != ring->sq.sqe_tail; at++) {
		struct io_uring_sqe *sqe = queued(ring, at);
		const char *step = sqe->user_data ? step_of(sqe) : NULL;

		if (is_due(step))
			put_fault(ring, at);
	}
}

static void judge(struct io_uring_cqe *cqe)
{
	for (unsigned i = 0; i < n_marked; i++) {
		if (marked[i].user_data != cqe->user_data)
			continue;
		if (marked[i].res == 1)
			die();
		if (cqe->res == -EBADF)
			cqe->res = marked[i].res;
		marked[i] = marked[--n_marked];
		return;
	}
}

static void after(struct io_uring *ring)
{
	unsigned tail = __atomic_load_n(ring->cq.ktail, __ATOMIC_ACQUIRE);

	for (unsigned at = *ring->cq.khead; n_marked && at != tail; at++)
		judge(&ring->cq.cqes[at & ring->cq.ring_mask]);
}

static int enter_fails(void)
{
	if (!is_due("enter"))
		return 0;
	spend();
	return -error_of_fault();
}

EXPORT int io_uring_submit(struct io_uring *ring)
{
	int r = enter_fails();

	if (r)
		return r;
	before(ring);
	r = NEXT(io_uring_submit)(ring);
	after(ring);
	return r;
}

EXPORT int io_uring_submit_and_get_events(struct io_uring *ring)
{
	int r = enter_fails();

	if (r)
		return r;
	before(ring);
	r = NEXT(io_uring_submit_and_get_events)(ring);
	after(ring);
	return r;
}

EXPORT int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n,
					    struct __kernel_timespec *ts, sigset_t *mask)
{
	int r = enter_fails();

	if (r)
		return r;
	before(ring);
	r = NEXT(io_uring_submit_and_wait_timeout)(ring, cqe, n, ts, mask);
	after(ring);
	return r;
}
