/* collectord/live/listen.c - accept, read one message, hand it over; see listen.h.  The socket itself: bind.c.
 *
 * The kernel's queue is first come, first served, and may be one user's flood: so all that is in it is accepted
 * first, which is cheap, and then users are served in turn (turns.h). */
#include "collectord/live/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/live/bind.h"
#include "collectord/live/identify.h"
#include "collectord/live/turns.h"
#include "common/abi.h"

#define ACCEPT_BATCH BIND_BACKLOG /* all that was in the kernel's queue when we began */
#define SERVE_BATCH 16            /* then others get the loop; a session takes 0.1 to 0.2 ms to make */
#define MAX_WAITING 4096          /* accepted, not served; the others stay in the kernel's queue */
#define MAX_WAITING_PER_USER 1024 /* who has more is a flood; a burst of a thousand programs is none */
#define TELL_MS 60000
#define MAX_CLIENTS 512          /* half-way through; the oldest makes room */
#define MAX_CLIENTS_PER_USER 128 /* then the oldest of that user */
#define DEADLINE_MS 1000         /* for the message */
#define BACKOFF_MS 100           /* out of descriptors or memory: leave clients in the backlog */
#define HELLO_MIN_SIZE 16u       /* magic, version, size: enough to answer another version */

struct client {
	struct turns_item waiting; /* first: what turns.h gives back is the client */
	TAILQ_ENTRY(client) link;  /* once it is served */
	bool is_served;
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
	struct loop_timer *backoff, *next, *tell;
	bool is_telling; /* `tell` is armed */
	struct turns turns;
	size_t max_waiting;
	TAILQ_HEAD(client_list, client) clients;
	size_t n_clients;
};

static void client_free(struct client *c)
{
	if (!c)
		return;
	if (c->is_served) {
		TAILQ_REMOVE(&c->listener->clients, c, link);
		c->listener->n_clients--;
	}
	loop_timer_free(c->deadline);
	loop_unwatch(c->watch);
	if (c->peer.pidfd >= 0)
		close(c->peer.pidfd);
	if (c->peer.sock >= 0)
		close(c->peer.sock);
	free(c);
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

static void client_serve(struct client *c)
{
	struct listener *l = c->listener;

	c->is_served = true;
	TAILQ_INSERT_TAIL(&l->clients, c, link);
	l->n_clients++;
	if (identify_process(&c->peer, &c->hung_up)) {
		client_free(c);
		return;
	}
	make_room(l, c->peer.uid);
	/* A shim sends its hello right after connecting: usually it is here already. */
	if (client_read(c))
		return;
	c->watch = loop_watch_fd(l->loop, c->peer.sock, POLLIN, on_client, c);
	c->deadline = loop_timer_new(l->loop, on_deadline, c);
	if (!c->watch || !c->deadline) {
		client_free(c);
		return;
	}
	loop_timer_set(c->deadline, DEADLINE_MS);
}

static struct client *next_waiting(struct listener *l)
{
	return (struct client *)(void *)turns_next(&l->turns);
}

static void on_next(void *arg)
{
	struct listener *l = arg;
	struct client *c;

	for (int i = 0; i < SERVE_BATCH && (c = next_waiting(l)); i++)
		client_serve(c);
	if (l->turns.n)
		loop_timer_set(l->next, 0);
}

static void tell(struct listener *l)
{
	uint64_t untold;
	uint32_t uid;

	while (turns_to_tell(&l->turns, &uid, &untold)) {
		l->config.on_crowd(l->config.arg, uid, l->turns.per_user, untold);
		if (!l->is_telling)
			loop_timer_set(l->tell, TELL_MS);
		l->is_telling = true;
	}
}

static void on_tell(void *arg)
{
	struct listener *l = arg;

	l->is_telling = turns_new_period(&l->turns);
	if (l->is_telling)
		loop_timer_set(l->tell, TELL_MS);
	tell(l);
}

/* Cheap: most of a flood gets no further. */
static void client_new(struct listener *l, int sock)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(sock);
		return;
	}
	c->listener = l;
	c->peer = (struct peer){ .pidfd = -1, .sock = sock };
	if (identify_user(&c->peer) || !may_attach(l, &c->peer) || turns_add(&l->turns, c->peer.uid, &c->waiting))
		client_free(c);
}

static void on_listen(void *arg, short revents);

static void on_backoff(void *arg)
{
	struct listener *l = arg;

	l->watch = loop_watch_fd(l->loop, l->fd, POLLIN, on_listen, l);
	if (!l->watch)
		loop_timer_set(l->backoff, BACKOFF_MS);
}

static void back_off(struct listener *l)
{
	loop_unwatch(l->watch);
	l->watch = NULL;
	loop_timer_set(l->backoff, BACKOFF_MS);
}

static void on_listen(void *arg, short revents)
{
	struct listener *l = arg;

	(void)revents;
	for (int i = 0; i < ACCEPT_BATCH && l->turns.n < l->max_waiting; i++) {
		int sock = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (sock >= 0) {
			client_new(l, sock);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			back_off(l);
			break;
		}
	}
	tell(l);
	if (l->turns.n)
		loop_timer_set(l->next, 0);
}

/* Those who wait leave most descriptors to sessions.  Who is alone has nobody to be fair to. */
static void take_limits(struct listener *l)
{
	struct rlimit r;

	l->max_waiting = MAX_WAITING;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur / 4 < MAX_WAITING)
		l->max_waiting = r.rlim_cur / 4 + 2;
	if (!l->config.any_uid)
		turns_init(&l->turns, l->max_waiting);
	else if (l->max_waiting / 2 < MAX_WAITING_PER_USER)
		turns_init(&l->turns, l->max_waiting / 2);
	else
		turns_init(&l->turns, MAX_WAITING_PER_USER);
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
	take_limits(l);
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
	l->next = loop_timer_new(loop, on_next, l);
	l->tell = loop_timer_new(loop, on_tell, l);
	if (!l->watch || !l->backoff || !l->next || !l->tell) {
		r = fault_set(f, -ENOMEM, "cannot watch the socket: out of memory, or it is not one");
		goto out;
	}
	*ret = l;
	l = NULL;
out:
	listener_free(l);
	return r;
}

uint64_t listener_turned_away(const struct listener *l)
{
	return l->turns.turned_away;
}

void listener_free(struct listener *l)
{
	struct client *c;

	if (!l)
		return;
	while ((c = next_waiting(l)))
		client_free(c);
	turns_done(&l->turns);
	while (!TAILQ_EMPTY(&l->clients))
		client_free(TAILQ_FIRST(&l->clients));
	loop_unwatch(l->watch);
	loop_timer_free(l->backoff);
	loop_timer_free(l->next);
	loop_timer_free(l->tell);
	if (l->bound) {
		unlink(l->config.path);
		close(l->fd);
	}
	free(l);
}
