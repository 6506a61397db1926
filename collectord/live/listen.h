/* collectord/live/listen.h - the socket programs attach to, and people ask at: up to the one message of a client.
 *
 * Identity is what the kernel says about the peer; a hello's text is only made safe (NUL-terminated) here.  A
 * client gets one second and one message; whatever is wrong with it ends that client only.  Descriptors a client
 * sends never arrive: we offer the kernel no room for them. */
#pragma once

#include "collectord/live/control_proto.h"
#include "collectord/live/loop.h"
#include "common/handshake.h"

struct listener;
struct msghdr;

struct peer {
	uint32_t pid, uid;
	int pidfd; /* refers to the process that connected */
	int sock;
};

struct listener_config {
	const char *path; /* bound here and unlinked at the end; ignored if fd >= 0 */
	int fd;           /* -1, or a listening socket: stays the caller's */
	bool any_uid;     /* else only our own user and root may attach */
	/* A program of our version said hello.  It answers with listener_welcome() and may take peer->pidfd over by
	 * setting it to -1; the rest of the peer is gone after the call. */
	void (*on_hello)(void *arg, struct peer *peer, const struct hello *h);
	/* Somebody asks: the message's whole length, its first bytes at `r`.  May take peer->sock over by setting
	 * it to -1.  NULL: nobody is answered. */
	void (*on_request)(void *arg, struct peer *peer, const struct control_request *r, size_t len);
	/* More than `most` connections of `uid` wait: `n` were turned away since this was told, once a minute at
	 * most. Never with any_uid = false. */
	void (*on_crowd)(void *arg, uint32_t uid, size_t most, uint64_t n);
	void *arg;
};

/* 0, or -errno with a fault: the path is taken, too long, not writable... */
int listener_new(struct loop *loop, const struct listener_config *config, struct listener **ret, struct fault *f);
void listener_free(struct listener *l); /* takes NULL; drops clients that did not finish */

/* Connections closed unheard, because too many of their user waited. */
uint64_t listener_turned_away(const struct listener *l);

/* Let `fd` go along with a message; `space` is room for its control message. */
void listener_attach_fd(struct msghdr *m, void *space, size_t size, int fd);

/* Answer a hello; `memfd` goes along if it is >= 0.  0 or -errno: the client will not attach. */
int listener_welcome(const struct peer *peer, uint32_t verdict, uint64_t session, uint64_t region_size, int memfd);
