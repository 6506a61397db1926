/* collectord/http/door.c - listening sockets; see door.h. */
#include "collectord/http/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/live/bind.h"

#define ACCEPT_BATCH 64
#define BACKLOG 4096
#define BACKOFF_MS 100 /* out of descriptors or memory: leave clients in the backlog */

/* --- TCP ----------------------------------------------------------------------------------------------------- */

/* "HOST:PORT", "[HOST]:PORT", ":PORT", "PORT"; host "" if there is none. */
static int split(const char *address, char *host, size_t size, const char **ret_port)
{
	const char *colon = strrchr(address, ':'), *end = colon ? colon : address;

	*ret_port = colon ? colon + 1 : address;
	if (*address == '[' && end > address && end[-1] == ']') {
		address++;
		end--;
	} else if (memchr(address, ':', (size_t)(end - address))) {
		return -EINVAL;
	}
	if ((size_t)(end - address) >= size)
		return -EINVAL;
	memcpy(host, address, (size_t)(end - address));
	host[end - address] = '\0';
	return **ret_port && strspn(*ret_port, "0123456789") == strlen(*ret_port) &&
			       strtoul(*ret_port, NULL, 10) <= UINT16_MAX
		       ? 0
		       : -EINVAL;
}

static bool is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static uint16_t port_of(const struct sockaddr *a)
{
	return ntohs(a->sa_family == AF_INET ? ((const struct sockaddr_in *)(const void *)a)->sin_port
					     : ((const struct sockaddr_in6 *)(const void *)a)->sin6_port);
}

/* What the socket itself says: also of one that was given to us. */
static int describe(struct door *d)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} a;
	socklen_t len = sizeof(a);

	if (getsockname(d->fd, &a.any, &len))
		return -errno;
	d->is_unix = a.any.sa_family == AF_UNIX;
	if (d->is_unix)
		return 0;
	if (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	d->is_loopback = is_loopback(&a.any);
	d->port = port_of(&a.any);
	return 0;
}

static int open_tcp(const struct addrinfo *a, int *ret_fd)
{
	const int on = 1;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP), r;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int door_open_tcp(const char *address, struct door *ret, struct fault *f)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *all;
	const char *port, *host;
	int r;

	*ret = (struct door){ .fd = -1, .is_ours = true };
	if (split(address, ret->name, sizeof(ret->name), &port))
		return fault_set(f, -EINVAL,
				 "%s: not an address to listen at; write HOST:PORT, like 127.0.0.1:6061", address);
	host = !*ret->name || !strcmp(ret->name, "localhost") ? "127.0.0.1" : ret->name;
	r = getaddrinfo(strcmp(host, "*") ? host : NULL, port, &hints, &all);
	if (r)
		return fault_set(f, -EINVAL, "%s: no address of this name: %s", address, gai_strerror(r));
	r = -EADDRNOTAVAIL;
	for (const struct addrinfo *a = all; a && r; a = a->ai_next)
		r = open_tcp(a, &ret->fd);
	freeaddrinfo(all);
	if (!r)
		r = describe(ret);
	return r ? fault_set(f, r, "cannot listen at %s: %s; choose another address or port", address, strerror(-r))
		 : 0;
}

/* --- unix and given sockets ---------------------------------------------------------------------------------- */

int door_open_path(const char *path, struct door *ret, struct fault *f)
{
	int r;

	*ret = (struct door){ .fd = -1, .is_ours = true, .is_unix = true };
	if (strlen(path) >= sizeof(ret->name))
		return fault_set(f, -ENAMETOOLONG, "%s: too long for a socket's path", path);
	r = bind_listen(path, SOCK_STREAM, 0666, &ret->fd, f);
	if (!r)
		snprintf(ret->name, sizeof(ret->name), "%s", path);
	return r;
}

int door_take(int fd, struct door *ret, struct fault *f)
{
	int r;

	*ret = (struct door){ .fd = fd };
	r = describe(ret);
	if (!r && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		r = -errno;
	return r ? fault_set(f, r, "the socket given to us for HTTP is not usable: %s", strerror(-r)) : 0;
}

/* --- clients ------------------------------------------------------------------------------------------------- */

static void on_listen(void *arg, short revents);

static void on_backoff(void *arg)
{
	struct door *d = arg;

	d->watch = loop_watch_fd(d->loop, d->fd, POLLIN, on_listen, d);
	if (!d->watch)
		loop_timer_set(d->backoff, BACKOFF_MS);
}

static void on_listen(void *arg, short revents)
{
	struct door *d = arg;

	(void)revents;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int sock = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (sock >= 0) {
			d->on_client(d->arg, d, sock);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			loop_unwatch(d->watch);
			d->watch = NULL;
			loop_timer_set(d->backoff, BACKOFF_MS);
			return;
		}
	}
}

int door_watch(struct door *d, struct loop *loop)
{
	d->loop = loop;
	d->watch = loop_watch_fd(loop, d->fd, POLLIN, on_listen, d);
	d->backoff = loop_timer_new(loop, on_backoff, d);
	return d->watch && d->backoff ? 0 : -ENOMEM;
}

void door_close(struct door *d)
{
	loop_unwatch(d->watch);
	loop_timer_free(d->backoff);
	if (d->is_ours && d->is_unix && d->fd >= 0)
		unlink(d->name);
	if (d->is_ours && d->fd >= 0)
		close(d->fd);
}
