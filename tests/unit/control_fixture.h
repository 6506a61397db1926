/* tests/unit/control_fixture.h - somebody asks a test's own collector. */
#pragma once

#include <poll.h>

#include "collectord/live/control_proto.h"
#include "tests/unit/live_fixture.h"

#define ANSWER_MAX 64

struct reply {
	struct control_record records[ANSWER_MAX];
	unsigned n;
	int fd;        /* that came along, or -1 */
	bool is_whole; /* the last one is an end */
};

static inline struct control_request good_request(uint32_t verb)
{
	return (struct control_request){ .magic = CONTROL_MAGIC,
					 .version = CONTROL_VERSION,
					 .size = sizeof(struct control_request),
					 .verb = verb };
}

static inline int ask_begin(struct bench *b, const void *msg, size_t len)
{
	int sock = shim_connect(b->sock);

	cr_assert_geq(sock, 0);
	cr_assert_eq(send(sock, msg, len, MSG_NOSIGNAL), (ssize_t)len);
	return sock;
}

/* One record if there is one; true at the end of the stream. */
static inline bool ask_read(int sock, struct reply *r)
{
	alignas(struct cmsghdr) char space[CMSG_SPACE(4 * sizeof(int))];
	struct control_record record;
	struct iovec iov = { &record, sizeof(record) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)
	};
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_TRUNC);
	struct cmsghdr *c;

	if (n < 0)
		return errno != EAGAIN;
	if (n == 0)
		return true;
	cr_assert_eq(n, (ssize_t)sizeof(record));
	cr_assert_eq(record.magic, CONTROL_MAGIC);
	cr_assert(!r->is_whole, "something after the end");
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&r->fd, CMSG_DATA(c), sizeof(r->fd));
	r->is_whole = record.kind == CONTROL_END;
	if (r->n < ANSWER_MAX)
		r->records[r->n++] = record;
	return false;
}

static inline struct reply ask_end(struct bench *b, int sock)
{
	struct reply r = { .fd = -1 };

	TURN_UNTIL(b->loop, ask_read(sock, &r));
	close(sock);
	return r;
}

static inline struct reply ask_message(struct bench *b, const void *msg, size_t len)
{
	return ask_end(b, ask_begin(b, msg, len));
}

static inline struct reply ask_bench(struct bench *b, const struct control_request *q)
{
	return ask_message(b, q, sizeof(*q));
}

static inline uint32_t reply_error(const struct reply *r)
{
	cr_assert(r->is_whole, "%u records and no end", r->n);
	return r->records[r->n - 1].error;
}
