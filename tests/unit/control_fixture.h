/* tests/unit/control_fixture.h - somebody asks a test's own collector. */
#pragma once

#include <poll.h>

#include "collectord/live/control_proto.h"
#include "tests/unit/live_fixture.h"

#define ANSWER_MAX 64

struct reply {
	struct control_record records[ANSWER_MAX];
	unsigned n;
	int fd;        /* the bytes after a CONTROL_PROFILE, or -1 */
	uint64_t left; /* of them, still to come */
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
	union {
		struct control_record record;
		char bytes[CONTROL_CHUNK];
	} m;
	ssize_t n = recv(sock, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno != EAGAIN;
	if (n == 0)
		return true;
	if (r->left) {
		cr_assert_leq((uint64_t)n, r->left);
		cr_assert_eq(write(r->fd, m.bytes, (size_t)n), n);
		r->left -= (uint64_t)n;
		return false;
	}
	cr_assert_eq(n, (ssize_t)sizeof(m.record));
	cr_assert_eq(m.record.magic, CONTROL_MAGIC);
	cr_assert(!r->is_whole, "something after the end");
	if (m.record.kind == CONTROL_PROFILE) {
		r->left = m.record.profile.size;
		r->fd = memfd_create("fetched", MFD_CLOEXEC);
	}
	r->is_whole = m.record.kind == CONTROL_END;
	if (r->n < ANSWER_MAX)
		r->records[r->n++] = m.record;
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
