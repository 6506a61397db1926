/* tests/unit/shim_server.h - a collector for tests of the shim: one region, one handshake at a time.
 *
 * Used by Criterion tests, one thread plus what server_start() makes.  `misbehave` lets a test be served wrongly.
 * The region is a sealed memfd as the real collector makes it; the test reads it by common/'s reader functions. */
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/abi.h"
#include "common/handshake.h"
#include "common/lane.h"
#include "common/stacktab.h"

struct server {
	char dir[64], path[96];
	int listener, memfd;
	struct abi_header header;
	struct abi_region r;
	uint64_t tails[ABI_MAX_LANES];
	struct hello heard;
	int n_heard;                                      /* whole hellos received */
	void (*answer)(struct server *s, int connection); /* NULL: server_welcome() */
	pthread_t thread;
};

/* One welcome with `n` copies of the region's descriptor. */
static inline void server_send(int connection, const struct welcome *w, size_t size, int fd, int n)
{
	char control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)w, .iov_len = size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		for (int i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(int));
	}
	sendmsg(connection, &m, MSG_NOSIGNAL);
}

static inline struct welcome server_good(const struct server *s)
{
	return (struct welcome){ .magic = WELCOME_MAGIC,
				 .abi_major = ABI_MAJOR,
				 .verdict = WELCOME_OK,
				 .region_size = s->header.region_size,
				 .session = 7 };
}

static inline void server_welcome(struct server *s, int connection)
{
	struct welcome w = server_good(s);

	server_send(connection, &w, sizeof(w), s->memfd, 1);
}

static inline void server_init(struct server *s, uint32_t rate, const struct abi_geometry *geo)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timespec now;
	void *base;

	*s = (struct server){ .dir = "/tmp/heaptap-unit-XXXXXX" };
	cr_assert_not_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
	memcpy(a.sun_path, s->path, sizeof(s->path));
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s->listener, (void *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(s->listener, 8), 0);

	cr_assert(abi_header_init(&s->header, geo));
	clock_gettime(CLOCK_MONOTONIC, &now);
	s->header.epoch_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	s->memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(s->memfd, (off_t)s->header.region_size), 0);
	base = mmap(NULL, s->header.region_size, PROT_READ | PROT_WRITE, MAP_SHARED, s->memfd, 0);
	cr_assert_neq(base, MAP_FAILED);
	abi_region_map(&s->r, base, &s->header);
	*s->r.header = s->header;
	store_relaxed(&s->r.control->rate, rate);
	store_relaxed(&s->r.control->max_depth, ABI_DEFAULT_DEPTH);
	store_relaxed(&s->r.cursors->words, 1);
	cr_assert_eq(fcntl(s->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
}

static inline void server_done(struct server *s)
{
	munmap(s->r.header, s->header.region_size);
	close(s->memfd);
	close(s->listener);
	unlink(s->path);
	rmdir(s->dir);
}

static inline void *server_main(void *arg)
{
	struct server *s = arg;

	for (;;) {
		int c = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

		if (c < 0)
			return NULL;
		if (recv(c, &s->heard, sizeof(s->heard), 0) == sizeof(s->heard)) {
			s->n_heard++;
			(s->answer ? s->answer : server_welcome)(s, c);
		}
		close(c);
	}
}

static inline void server_start(struct server *s)
{
	cr_assert_eq(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static inline void server_stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
}

/* Read all events there are; returns how many, at most `max`. */
static inline uint32_t server_drain(struct server *s, struct abi_event *out, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t l = 0; l < s->r.geo.lanes; l++) {
		int64_t got;

		do {
			got = lane_copy(&s->r, l, &s->tails[l], out + n, max - n);
			cr_assert_geq(got, 0, "lane %u is corrupt", l);
			n += (uint32_t)got;
			lane_release(&s->r, l, s->tails[l]);
		} while (got > 0);
	}
	return n;
}
