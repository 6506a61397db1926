/* collectord/cli/ask.c - see ask.h. */
#include "collectord/cli/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collectord/cli/clock.h"
#include "collectord/live/memfd.h"
#include "collectord/profile/write_all.h"
#include "common/compiler.h"

#define RECORDS_MAX (1u << 20)   /* more is no answer */
#define PROFILE_MAX (1ull << 32) /* nor is that */

static int not_there(const char *path, int err, struct fault *f)
{
	if (err == ENOENT || err == ECONNREFUSED)
		return fault_set(f, -err, "%s: no collector is running there", path);
	if (err == EAGAIN)
		return fault_set(f, -ETIMEDOUT,
				 "%s: the collector there does not accept: is it stopped or overloaded?", path);
	return fault_set(f, -err, "%s: %s", path, strerror(err));
}

/* The kernel lets go of an io_uring user's sockets some time after its death, and till then they accept. */
static int check_owner(int sock, const char *path, uint32_t *ret_uid, struct fault *f)
{
	struct ucred owner;
	socklen_t len = sizeof(owner);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &owner, &len))
		return fault_set(f, -errno, "%s: %s", path, strerror(errno));
	if (kill(owner.pid, 0) && errno == ESRCH)
		return not_there(path, ECONNREFUSED, f);
	*ret_uid = owner.uid;
	return 0;
}

static int dial(const char *path, int timeout_ms, int *ret_sock, struct fault *f)
{
	struct timeval patience = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock, err = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return fault_set(f, -ENAMETOOLONG, "%s: too long for the path of a socket", path);
	strcpy(addr.sun_path, path);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return fault_set(f, -errno, "cannot make a socket: %s", strerror(errno));
	/* Bounds connect(), too: it waits while the backlog is full. */
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(sock, (const struct sockaddr *)&addr, sizeof(addr)))
		err = errno;
	if (err) {
		close(sock);
		return not_there(path, err, f);
	}
	*ret_sock = sock;
	return 0;
}

/* One message before `deadline_ns`; 0 bytes: hung up. */
static ssize_t receive(int sock, uint64_t deadline_ns, void *buf, size_t size)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint64_t now = clock_ns();
	ssize_t n;
	int ready = poll(&p, 1, now < deadline_ns ? (int)((deadline_ns - now) / 1000000) + 1 : 0);

	if (ready <= 0)
		return ready < 0 ? -errno : -ETIMEDOUT;
	n = recv(sock, buf, size, MSG_DONTWAIT | MSG_TRUNC);
	return n < 0 ? -errno : n;
}

static uint64_t deadline_of(int timeout_ms)
{
	return clock_ns() + (uint64_t)timeout_ms * 1000000;
}

/* Its bytes, into memory that has a descriptor: each message has the whole time. */
static int take_profile(int sock, int timeout_ms, uint64_t size, struct answer *a)
{
	char buf[CONTROL_CHUNK];

	if (a->fd >= 0 || size > PROFILE_MAX)
		return -EPROTO;
	a->fd = memfd_new("heaptap snapshot");
	if (a->fd < 0)
		return a->fd;
	while (size) {
		ssize_t n = receive(sock, deadline_of(timeout_ms), buf, sizeof(buf));

		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
		if ((size_t)n > sizeof(buf) || (uint64_t)n > size)
			return -EPROTO;
		if (write_all(a->fd, buf, (size_t)n))
			return -ENOMEM;
		size -= (uint64_t)n;
	}
	return 0;
}

#define END_STRING(s) ((s)[sizeof(s) - 1] = '\0')

static bool check(struct control_record *r, ssize_t n)
{
	if (n != sizeof(*r) || r->magic != CONTROL_MAGIC)
		return false;
	switch (r->kind) {
	case CONTROL_PROCESS:
		END_STRING(r->process.exe);
		END_STRING(r->process.cmdline);
		return true;
	case CONTROL_SAVED:
		END_STRING(r->saved.path);
		END_STRING(r->saved.why);
		return true;
	case CONTROL_END:
		END_STRING(r->end.last_error);
		END_STRING(r->end.text);
		END_STRING(r->end.version);
		return true;
	}
	return r->kind == CONTROL_CHANGED || r->kind == CONTROL_PROFILE;
}

static int keep_record(struct answer *a, size_t *room, const struct control_record *r)
{
	struct control_record *grown;

	if (a->n == RECORDS_MAX)
		return -EPROTO;
	if (a->n == *room) {
		grown = reallocarray(a->records, *room ? 2 * *room : 8, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		a->records = grown;
		*room = *room ? 2 * *room : 8;
	}
	a->records[a->n++] = *r;
	return 0;
}

/* Records up to the end.  0, or -errno; -EPROTO: what came is no answer. */
static int collect(int sock, int timeout_ms, struct answer *a, struct control_record *ret_end)
{
	uint64_t deadline = deadline_of(timeout_ms);
	size_t room = 0;
	int r = 0;

	while (!r) {
		struct control_record record;
		ssize_t n = receive(sock, deadline, &record, sizeof(record));

		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
		if (!check(&record, n))
			return -EPROTO;
		if (record.kind == CONTROL_END) {
			*ret_end = record;
			return 0;
		}
		r = keep_record(a, &room, &record);
		if (!r && record.kind == CONTROL_PROFILE) {
			r = take_profile(sock, timeout_ms, record.profile.size, a);
			deadline = deadline_of(timeout_ms);
		}
	}
	return r;
}

static int explain(const char *path, int r, int timeout_ms, struct fault *f)
{
	switch (-r) {
	case ETIMEDOUT:
		return fault_set(f, r, "%s: the collector there does not answer within %d s: is it stopped?", path,
				 timeout_ms / 1000);
	case ECONNRESET:
	case EPIPE:
		return fault_set(f, r, "%s: the collector there hung up: it ended, or it serves another user only",
				 path);
	case EPROTO:
		return fault_set(f, r, "%s: the answer is not a heaptap collector's, or one of another version",
				 path);
	default:
		return fault_set(f, r, "%s: %s", path, strerror(-r));
	}
}

int ask(const char *path, const struct control_request *request, int timeout_ms, struct answer *ret,
	struct fault *f)
{
	struct control_request q = *request;
	struct control_record end = { 0 };
	struct answer a = { .fd = -1 };
	int sock = -1, r = dial(path, timeout_ms, &sock, f);

	if (r)
		return r;
	q.magic = CONTROL_MAGIC;
	q.version = CONTROL_VERSION;
	q.size = sizeof(q);
	r = check_owner(sock, path, &a.uid, f);
	if (r)
		goto out;
	if (send(sock, &q, sizeof(q), MSG_NOSIGNAL) != (ssize_t)sizeof(q))
		r = -errno;
	if (!r)
		r = collect(sock, timeout_ms, &a, &end);
	if (r) {
		explain(path, r, timeout_ms, f);
		goto out;
	}
	if (end.error) {
		r = fault_set(f, end.error < 4096 ? -(int)end.error : -EPROTO, "%s", end.end.text);
		goto out;
	}
	a.end = end.end;
	*ret = a;
	a = (struct answer){ .fd = -1 };
out:
	close(sock);
	answer_done(&a);
	return r;
}

void answer_done(struct answer *a)
{
	if (a->fd > 0)
		close(a->fd);
	free(a->records);
	*a = (struct answer){ .fd = -1 };
}
