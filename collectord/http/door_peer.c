/* collectord/http/door_peer.c - whose connection it is, and by which name it came; see door.h. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collectord/http/door.h"

#define OVERFLOW_UID 65534u /* what the kernel says of users that are not in our namespace */

/* States of a socket whose process still has it, as the kernel numbers them. */
enum { STATE_ESTABLISHED = 1, STATE_FIN_WAIT1 = 4, STATE_FIN_WAIT2 = 5 };

/* --- the kernel's inet_diag ---------------------------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage room;
};

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static void put_end(const union address *a, __be16 *port, __be32 at[4])
{
	if (a->any.sa_family == AF_INET) {
		*port = a->in.sin_port;
		at[0] = a->in.sin_addr.s_addr;
	} else {
		*port = a->in6.sin6_port;
		memcpy(at, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	}
}

/* The socket whose near end is our far end. */
static int compose(int sock, struct question *q)
{
	union address near, far;
	socklen_t near_len = sizeof(near), far_len = sizeof(far);

	if (getsockname(sock, &near.any, &near_len) || getpeername(sock, &far.any, &far_len))
		return -errno;
	if (near.any.sa_family != far.any.sa_family ||
	    (near.any.sa_family != AF_INET && near.any.sa_family != AF_INET6))
		return -EAFNOSUPPORT;
	*q = (struct question){
		.head = { .nlmsg_len = sizeof(*q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_family = (uint8_t)near.any.sa_family,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ~0u,
			  .id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};
	put_end(&far, &q->body.id.idiag_sport, q->body.id.idiag_src);
	put_end(&near, &q->body.id.idiag_dport, q->body.id.idiag_dst);
	return 0;
}

/* The kernel answers within send(): nothing here waits. */
static int ask(const struct question *q, struct inet_diag_msg *ret)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_msg body;
		char more[4096];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), r = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -errno;
	if (send(fd, q, sizeof(*q), 0) == sizeof(*q))
		n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (n < 0)
		r = -errno;
	else if (n < (ssize_t)(sizeof(answer.head) + sizeof(answer.body)) ||
		 answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		r = -ENOENT;
	else
		*ret = answer.body;
	close(fd);
	return r;
}

int door_tcp_peer(int sock, uint32_t *ret_uid)
{
	struct inet_diag_msg m = { 0 };
	struct question q;
	int r = compose(sock, &q);

	if (!r)
		r = ask(&q, &m);
	if (r)
		return r;
	if (m.id.idiag_sport != q.body.id.idiag_sport || m.id.idiag_dport != q.body.id.idiag_dport ||
	    (m.idiag_state != STATE_ESTABLISHED && m.idiag_state != STATE_FIN_WAIT1 &&
	     m.idiag_state != STATE_FIN_WAIT2) ||
	    m.idiag_uid == OVERFLOW_UID)
		return -EPERM;
	*ret_uid = m.idiag_uid;
	return 0;
}

bool door_can_tell_peers(void)
{
	union address at = { .in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), server = -1;
	socklen_t len = sizeof(at.in);
	bool told = false;
	uint32_t uid;

	/* Connected as soon as it is in the backlog: nothing here waits. */
	if (listener >= 0 && client >= 0 && !bind(listener, &at.any, len) && !listen(listener, 1) &&
	    !getsockname(listener, &at.any, &len) && !connect(client, &at.any, len))
		server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server >= 0)
		told = !door_tcp_peer(server, &uid) && uid == geteuid();
	for (size_t i = 0; i < 3; i++)
		close((const int[]){ listener, client, server }[i]);
	return told;
}

/* --- names --------------------------------------------------------------------------------------------------- */

/* The host of "host", "host:port", "[v6]", "[v6]:port".  False: none of these. */
static bool host_of(const char *text, char *buf, size_t size)
{
	const char *start = text, *end, *rest;

	if (*text == '[') {
		start = text + 1;
		end = strchr(start, ']');
		rest = end ? end + 1 : text;
	} else {
		end = start + strcspn(start, ":");
		rest = end;
	}
	if (!end || end == start || (size_t)(end - start) >= size)
		return false;
	if (*rest == ':' && strspn(rest + 1, "0123456789") == strlen(rest + 1))
		rest += strlen(rest);
	memcpy(buf, start, (size_t)(end - start));
	buf[end - start] = '\0';
	return !*rest;
}

static bool is_literal(const char *host, bool *ret_loopback)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, host, &v4) == 1) {
		*ret_loopback = ntohl(v4.s_addr) >> 24 == 127;
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6) != 1)
		return false;
	*ret_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
	return true;
}

static bool is_our_hostname(const char *host)
{
	char own[256];

	if (gethostname(own, sizeof(own)))
		return false;
	own[sizeof(own) - 1] = '\0';
	return !strcasecmp(host, own);
}

/* Attackers choose names, not numbers: whoever calls us by an address means that. */
bool door_is_named(const struct door *d, const char *host)
{
	char name[256];
	bool loopback;

	if (d->is_unix)
		return true;
	if (!host || !host_of(host, name, sizeof(name)))
		return false;
	if (is_literal(name, &loopback))
		return loopback || !d->is_loopback;
	if (!strcasecmp(name, "localhost") || (*d->name && !strcasecmp(name, d->name)))
		return true;
	return !d->is_loopback && is_our_hostname(name);
}
