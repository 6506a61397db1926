/* collectord/live/listen.c - accept, read one message, hand it over; see listen.h.  The socket itself: bind.c. */
#include "collectord/live/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/live/bind.h"
#include "collectord/live/kin.h"
#include "common/abi.h"

#define ACCEPT_BATCH 64
#define MAX_CLIENTS 512          /* half-way through; the oldest makes room */
#define MAX_CLIENTS_PER_USER 128 /* then the oldest of that user */
#define DEADLINE_MS 1000         /* for the message */
#define BACKOFF_MS 100           /* out of descriptors or memory: leave clients in the backlog */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; Debian 12's headers are older */
#endif

#define HELLO_MIN_SIZE 16u /* magic, version, size: enough to answer another version */

struct client {
	TAILQ_ENTRY(client) link;
	struct listener *listener;
	struct peer peer;
	struct loop_watch *watch;
	struct loop_timer *deadline;
	bool hung_up; /* before its pidfd was known to be its own */
};

struct listener {
	struct loop *loop;
	struct listener_config config;
	int fd;
	bool bound; /* we bound config.path */
	struct loop_watch *watch;
	struct loop_timer *backoff;
	TAILQ_HEAD(client_list, client) clients;
	size_t n_clients;
};

static void client_free(struct client *c)
{
	if (!c)
		return;
	TAILQ_REMOVE(&c->listener->clients, c, link);
	c->listener->n_clients--;
	loop_timer_free(c->deadline);
	loop_unwatch(c->watch);
	if (c->peer.pidfd >= 0)
		close(c->peer.pidfd);
	if (c->peer.sock >= 0)
		close(c->peer.sock);
	free(c);
}

/* True if its process is, as far as we can see, of the user who connected: /proc of another user may be hidden. */
static bool is_of_its_user(const struct peer *p)
{
	uint32_t uid;

	return kin_user(p->pid, &uid) || uid == p->uid;
}

/* A socket we hold says who connected, as a pidfd since Linux 6.5; a pid says it only until it is used again.  If
 * the peer's end is still open after pidfd_open(), its process lived all the time and the pidfd is its own; unless
 * somebody else has that end, too, which no shim lets happen.  Who does it on purpose, to be taken for a process
 * that got the pid next, gets no further than to processes of the own user: its kin.  If it is not open, the peer
 * may still have left a word why it stays passive: a shim does not wait for an answer to that. */
static int pidfd_of_pid(struct client *c, pid_t pid)
{
	struct pollfd hup = { .fd = c->peer.sock };

	c->peer.pidfd = pidfd_open(pid, 0);
	if (c->peer.pidfd < 0 && errno != ESRCH) /* ended and reaped: its word still counts */
		return -errno;
	c->hung_up = c->peer.pidfd < 0 || !is_of_its_user(&c->peer) || kin_is_dead(c->peer.pidfd) ||
		     (poll(&hup, 1, 0) == 1 && hup.revents & (POLLHUP | POLLERR));
	return 0;
}

static int pidfd_of_peer(struct client *c, pid_t pid)
{
	socklen_t len = sizeof(int);
	int fd;

	if (getsockopt(c->peer.sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
		c->peer.pidfd = fd;
	else if (errno == ENOPROTOOPT)
		return pidfd_of_pid(c, pid);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return -errno;
	else
		c->hung_up = true; /* ended and reaped */
	return 0;
}

static int identify(struct client *c)
{
	struct peer *p = &c->peer;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(p->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (cred.pid <= 0) /* from a pid namespace we cannot see into */
		return -ESRCH;
	p->pid = (uint32_t)cred.pid;
	p->uid = cred.uid;
	return pidfd_of_peer(c, cred.pid);
}

static bool may_attach(const struct listener *l, const struct peer *p)
{
	return l->config.any_uid || p->uid == 0 || p->uid == geteuid();
}

/* Make every string of a client's hello a string; the words of its command line are joined by blanks. */
static void terminate(struct hello *h)
{
	h->allocator[sizeof(h->allocator) - 1] = '\0';
	h->exe[sizeof(h->exe) - 1] = '\0';
	h->cmdline[sizeof(h->cmdline) - 1] = '\0';
	for (size_t i = 0; i + 1 < h->cmdline_len && i < sizeof(h->cmdline) - 1; i++)
		if (h->cmdline[i] == '\0')
			h->cmdline[i] = ' ';
}

/* What a client's only message may be. */
union message {
	uint64_t magic;
	struct hello hello;
	struct control_request request;
};

static void judge_request(struct client *c, const struct control_request *r, size_t n)
{
	const struct listener_config *config = &c->listener->config;

	if (!config->on_request)
		return;
	loop_unwatch(c->watch); /* the socket may get another owner */
	c->watch = NULL;
	config->on_request(config->arg, &c->peer, r, n);
}

static void judge_hello(struct client *c, struct hello *h, ssize_t n)
{
	if (n < (ssize_t)HELLO_MIN_SIZE)
		return;
	if (h->abi_major != ABI_MAJOR) {
		listener_welcome(&c->peer, WELCOME_VERSION, 0, 0, -1);
		return;
	}
	if (n != sizeof(*h) || h->size != sizeof(*h))
		return;
	if (c->hung_up && h->status == HELLO_ACTIVE)
		return;
	terminate(h);
	c->listener->config.on_hello(c->listener->config.arg, &c->peer, h);
}

/* True if this client needs no more attention and was freed. */
static bool client_read(struct client *c)
{
	union message m = { 0 };
	ssize_t n;

	do {
		n = recv(c->peer.sock, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n >= (ssize_t)sizeof(m.magic) && m.magic == HELLO_MAGIC)
		judge_hello(c, &m.hello, n);
	else if (n >= (ssize_t)sizeof(m.magic) && m.magic == CONTROL_MAGIC)
		judge_request(c, &m.request, (size_t)n);
	client_free(c);
	return true;
}

static void on_client(void *arg, short revents)
{
	(void)revents; /* an error or a hang-up shows in recv() */
	client_read(arg);
}

static void on_deadline(void *arg)
{
	client_free(arg);
}

/* A user who connects and says nothing does not push others out. */
static void make_room(struct listener *l, uint32_t uid)
{
	struct client *c, *oldest = NULL;
	size_t users = 0;

	TAILQ_FOREACH_REVERSE(c, &l->clients, client_list, link)
	{
		if (c->peer.uid == uid) {
			oldest = c;
			users++;
		}
	}
	if (users > MAX_CLIENTS_PER_USER)
		client_free(oldest);
	else if (l->n_clients > MAX_CLIENTS)
		client_free(TAILQ_FIRST(&l->clients));
}

static void client_new(struct listener *l, int sock)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(sock);
		return;
	}
	c->listener = l;
	c->peer = (struct peer){ .pidfd = -1, .sock = sock };
	TAILQ_INSERT_TAIL(&l->clients, c, link);
	l->n_clients++;
	if (identify(c) || !may_attach(l, &c->peer)) {
		client_free(c);
		return;
	}
	make_room(l, c->peer.uid);
	/* A shim sends its hello right after connecting: usually it is here already. */
	if (client_read(c))
		return;
	c->watch = loop_watch_fd(l->loop, sock, POLLIN, on_client, c);
	c->deadline = loop_timer_new(l->loop, on_deadline, c);
	if (!c->watch || !c->deadline) {
		client_free(c);
		return;
	}
	loop_timer_set(c->deadline, DEADLINE_MS);
}

static void on_listen(void *arg, short revents);

static void on_backoff(void *arg)
{
	struct listener *l = arg;

	l->watch = loop_watch_fd(l->loop, l->fd, POLLIN, on_listen, l);
	if (!l->watch)
		loop_timer_set(l->backoff, BACKOFF_MS);
}

static void on_listen(void *arg, short revents)
{
	struct listener *l = arg;

	(void)revents;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int sock = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (sock >= 0) {
			client_new(l, sock);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			loop_unwatch(l->watch);
			l->watch = NULL;
			loop_timer_set(l->backoff, BACKOFF_MS);
			return;
		}
	}
}

int listener_new(struct loop *loop, const struct listener_config *config, struct listener **ret, struct fault *f)
{
	struct listener *l = calloc(1, sizeof(*l));
	int r = 0;

	if (!l)
		return fault_set(f, -ENOMEM, "out of memory");
	TAILQ_INIT(&l->clients);
	l->loop = loop;
	l->config = *config;
	l->fd = config->fd;
	if (config->fd < 0) {
		r = bind_listen(config->path, SOCK_SEQPACKET, config->any_uid ? 0666 : 0600, &l->fd, f);
		l->bound = r == 0;
	} else if (fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK)) {
		r = fault_set(f, -errno, "the listening socket given to us is not usable: %s", strerror(errno));
	}
	if (r)
		goto out;
	l->watch = loop_watch_fd(loop, l->fd, POLLIN, on_listen, l);
	l->backoff = loop_timer_new(loop, on_backoff, l);
	if (!l->watch || !l->backoff) {
		r = fault_set(f, -ENOMEM, "cannot watch the socket: out of memory, or it is not one");
		goto out;
	}
	*ret = l;
	l = NULL;
out:
	listener_free(l);
	return r;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	while (!TAILQ_EMPTY(&l->clients))
		client_free(TAILQ_FIRST(&l->clients));
	loop_unwatch(l->watch);
	loop_timer_free(l->backoff);
	if (l->bound) {
		unlink(l->config.path);
		close(l->fd);
	}
	free(l);
}

void listener_attach_fd(struct msghdr *m, void *space, size_t size, int fd)
{
	struct cmsghdr *c;

	m->msg_control = space;
	m->msg_controllen = size;
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int listener_welcome(const struct peer *peer, uint32_t verdict, uint64_t session, uint64_t region_size, int memfd)
{
	struct welcome w = {
		.magic = WELCOME_MAGIC,
		.abi_major = ABI_MAJOR,
		.abi_minor = ABI_MINOR,
		.verdict = verdict,
		.region_size = region_size,
		.session = session,
	};
	struct iovec iov = { .iov_base = &w, .iov_len = sizeof(w) };
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (memfd >= 0)
		listener_attach_fd(&m, control, sizeof(control), memfd);
	return sendmsg(peer->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(w) ? 0 : -errno;
}
