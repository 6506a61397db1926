/* collectord/http/door.h - the sockets HTTP is served on, and who stands before them. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/un.h>

#include "collectord/live/loop.h"

/* One listening socket. */
struct door {
	LIST_ENTRY(door) link;
	int fd;
	bool is_ours; /* to be closed */
	bool is_unix;
	bool is_loopback; /* TCP that only this machine reaches */
	char name[256];   /* the path; or the host as it was asked for */
	uint16_t port;
	struct loop *loop;
	struct loop_watch *watch;
	struct loop_timer *backoff;
	void (*on_client)(void *arg, const struct door *d, int sock); /* takes the socket over */
	void *arg;
};

/* Open one; on_client and arg are the caller's to set before door_watch().  0 or -errno with a fault. */
int door_open_path(const char *path, struct door *ret, struct fault *f);
int door_open_tcp(const char *address, struct door *ret, struct fault *f);
int door_take(int fd, struct door *ret, struct fault *f);

int door_watch(struct door *d, struct loop *loop); /* 0 or -ENOMEM */
void door_close(struct door *d);

/* Who connected `sock`, if it came over TCP from this machine: the kernel's inet_diag says whose socket the other
 * end is.  0 or -errno. */
int door_tcp_peer(int sock, uint32_t *ret_uid);

/* Does this kernel tell that here?  Tried with a connection to ourselves. */
bool door_can_tell_peers(void);

/* Is `host` (a Host header) a name this door is meant to be called by?  A page of a browser that had its own name
 * point here is called otherwise. */
bool door_is_named(const struct door *d, const char *host);
