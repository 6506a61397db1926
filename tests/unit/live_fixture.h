/* tests/unit/live_fixture.h - a collector in a scratch directory and programs that attach to it as the shim does.
 *
 * A fake shim is a forked child: it shakes hands, maps the region and writes with common/'s own writer functions,
 * so it is exactly as honest as its test wants.  Every wait has a limit that only a broken build reaches. */
#pragma once

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collectord/live/collector.h"
#include "common/handshake.h"
#include "common/lane.h"
#include "common/modtab.h"
#include "common/spill.h"
#include "common/stacktab.h"

#define LIMIT_S 20

/* A test that runs once with each backend of the loop. */
#define BACKENDS(suite, name)                                     \
	ParameterizedTestParameters(suite, name)                  \
	{                                                         \
		static char backends[][8] = { "uring", "epoll" }; \
		return cr_make_param_array(char[8], backends, 2); \
	}                                                         \
	ParameterizedTest(char(*backend)[8], suite, name, .timeout = 3 * LIMIT_S)

static inline double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Turn `l` until `cond` holds. */
#define TURN_UNTIL(l, cond)                                                             \
	do {                                                                            \
		double limit_ = seconds() + LIMIT_S;                                    \
		while (!(cond)) {                                                       \
			cr_assert_eq(loop_turn((l), 50), 0);                            \
			cr_assert_lt(seconds(), limit_, "nothing happened: %s", #cond); \
		}                                                                       \
	} while (0)

static inline void scratch_dir(char *buf, size_t size)
{
	const char *base = getenv("TMPDIR");

	snprintf(buf, size, "%s/heaptap-test.XXXXXX", base && *base ? base : "/tmp");
	cr_assert_not_null(mkdtemp(buf));
}

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void remove_dir(const char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct loop *test_loop(const char *backend)
{
	struct loop *l = NULL;
	struct fault f;
	int r;

	setenv("HEAPTAP_IO", backend, 1);
	r = loop_new(&l, &f);
	if (!strcmp(backend, "uring") && (r == -EPERM || r == -ENOSYS || r == -EOPNOTSUPP))
		cr_skip_test("the kernel refuses io_uring here");
	cr_assert_eq(r, 0, "%s", f.text);
	return l;
}

/* --- the client's side ------------------------------------------------------------------------------------ */

static inline int shim_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.107s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline struct hello good_hello(void)
{
	struct hello h = { .magic = HELLO_MAGIC,
			   .abi_major = ABI_MAJOR,
			   .abi_minor = ABI_MINOR,
			   .size = sizeof(h),
			   .status = HELLO_ACTIVE,
			   .ppid = (uint32_t)getppid(),
			   .exe = "/usr/bin/fake",
			   .cmdline = "fake\0--with\0words",
			   .cmdline_len = 18 };

	return h;
}

/* Receive the welcome; the descriptor that came along or -1.  False: the collector just hung up. */
static inline bool shim_welcome(int sock, struct welcome *w, int *fd)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = { w, sizeof(*w) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c;

	*fd = -1;
	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != sizeof(*w))
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return true;
}

/* Take `fd` over and map what it holds, as process 0. */
static inline bool shim_map(const struct welcome *w, int fd, struct abi_region *r)
{
	struct abi_header copy;
	void *base = mmap(NULL, w->region_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	if (base == MAP_FAILED)
		return false;
	memcpy(&copy, base, sizeof(copy));
	if (!abi_header_ok(&copy, w->region_size))
		return false;
	abi_region_map(r, base, &copy);
	add_relaxed(&r->cursors->procs, 1);
	r->procs[0].pid = (uint32_t)getpid();
	store_release(&r->procs[0].state, ABI_PROC_ACTIVE); /* M */
	spill_reserve(r, 0);
	return true;
}

/* The whole handshake.  False: no region. */
static inline bool shim_attach(const char *path, struct abi_region *r)
{
	struct hello h = good_hello();
	struct welcome w;
	int sock = shim_connect(path), fd;

	if (sock < 0 || send(sock, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h) || !shim_welcome(sock, &w, &fd) ||
	    w.verdict != WELCOME_OK || fd < 0)
		return false;
	close(sock);
	return shim_map(&w, fd, r);
}

static inline uint32_t shim_stack(const struct abi_region *r, uint64_t leaf, uint32_t depth)
{
	uint64_t frames[ABI_MAX_DEPTH];

	for (uint32_t i = 0; i < depth; i++)
		frames[i] = leaf + i;
	return stack_intern(r, frames, depth, 0, 0, stack_hash(frames, depth, 0, 0));
}

static inline struct abi_event event(uint8_t kind, uint64_t size, uint32_t rate, uint32_t stack)
{
	return (struct abi_event){ .kind = kind, .size = size, .rate = rate, .stack = stack };
}

/* As the shim does it: into a lane, else into the spill counters. */
static inline void shim_emit(const struct abi_region *r, const struct abi_event *e)
{
	struct abi_proc *p = &r->procs[e->proc];
	int lane = lane_acquire(r, e->proc, 0, 4);

	if (lane >= 0) {
		lane_publish(r, lane, e);
		return;
	}
	spill_add(r, e);
	add_relaxed(&p->spilled, 1);
}

/* A child that attaches and runs `body`, then says so and waits to be killed, unless body exits. */
struct fake {
	pid_t pid;
	int ready; /* readable when body is done, or at the end */
};

static inline struct fake fake_start(const char *sock, void (*body)(struct abi_region *r))
{
	struct fake f;
	int p[2];

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	f.pid = fork();
	if (f.pid == 0) {
		struct abi_region r;

		alarm(2 * LIMIT_S);
		if (!shim_attach(sock, &r))
			_exit(99);
		body(&r);
		if (write(p[1], "x", 1) != 1)
			_exit(98);
		for (;;)
			pause();
	}
	close(p[1]);
	f.ready = p[0];
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	return f;
}

/* The body is done, or the child ended. */
static inline bool fake_ready(struct fake *f)
{
	char c;

	if (f->ready < 0)
		return true;
	if (read(f->ready, &c, 1) < 0)
		return false;
	close(f->ready);
	f->ready = -1;
	return true;
}

static inline void fake_kill(struct fake *f)
{
	kill(f->pid, SIGKILL);
}

/* --- the collector's side --------------------------------------------------------------------------------- */

struct bench {
	struct loop *loop;
	struct collector *c;
	char dir[128], sock[160], last[192];
	unsigned started, saved, ended, passive;
	struct session_view view; /* at the last change; strings not valid */
};

static inline void bench_on_change(enum session_change what, const struct session_view *v, void *arg)
{
	struct bench *b = arg;

	b->started += what == SESSION_STARTED;
	b->saved += what == SESSION_SAVED;
	b->ended += what == SESSION_ENDED;
	b->passive += what == SESSION_PASSIVE;
	b->view = *v;
	snprintf(b->last, sizeof(b->last), "%s", v->last_snapshot);
}

static inline void bench_start(struct bench *b, const char *backend, struct collector_config config)
{
	struct fault f;

	memset(b, 0, sizeof(*b));
	b->loop = test_loop(backend);
	scratch_dir(b->dir, sizeof(b->dir));
	snprintf(b->sock, sizeof(b->sock), "%s/s", b->dir);
	config.socket_path = b->sock;
	config.listen_fd = -1;
	config.out_dir = b->dir;
	config.on_change = bench_on_change;
	config.arg = b;
	if (!config.rate)
		config.rate = 512 * 1024;
	cr_assert_eq(collector_new(b->loop, &config, &b->c, &f), 0, "%s", f.text);
}

static inline void bench_stop(struct bench *b)
{
	collector_free(b->c);
	loop_free(b->loop);
	remove_dir(b->dir);
}

static inline struct snapshot *bench_snapshot(const struct bench *b, const char *below)
{
	char path[512];
	struct snapshot *s;
	struct fault f;

	snprintf(path, sizeof(path), "%s/%s", b->dir, below);
	cr_assert_eq(snapshot_read_file(path, &s, &f), 0, "%s", f.text);
	return s;
}

/* This process attaches to its own collector: what it writes is there at once, and nothing has been drained yet. */
static inline void bench_attach_self(struct bench *b, struct abi_region *r)
{
	struct hello h = good_hello();
	int sock = shim_connect(b->sock), fd;
	struct welcome w;

	cr_assert_eq(send(sock, &h, sizeof(h), MSG_NOSIGNAL), (ssize_t)sizeof(h));
	TURN_UNTIL(b->loop, b->started == 1);
	cr_assert(shim_welcome(sock, &w, &fd));
	cr_assert(shim_map(&w, fd, r));
	close(sock);
}

/* Files below the bench's directory whose name holds `part`. */
static inline unsigned count_files(const char *dir, const char *part)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += strstr(e->d_name, part) != NULL;
	if (d)
		closedir(d);
	return n;
}

static inline void attaches(struct abi_region *r)
{
	struct abi_event e = event(ABI_EVENT_ALLOC, 42, 1, 0);

	shim_emit(r, &e);
}

/* The collector still does its work for somebody else. */
static inline void assert_serves(struct bench *b)
{
	unsigned before = b->ended;
	struct fake p = fake_start(b->sock, attaches);

	TURN_UNTIL(b->loop, fake_ready(&p));
	fake_kill(&p);
	TURN_UNTIL(b->loop, b->ended > before && b->view.pid == (uint32_t)p.pid);
	cr_assert_eq(b->view.total.alloc_bytes >> 8, 42);
}
