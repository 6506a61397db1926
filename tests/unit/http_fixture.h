/* tests/unit/http_fixture.h - a served collector, a recorded process with a stack that has names, and raw clients.
 *
 * The test program is its own traced program and, executed again by the server, its own worker. */
#pragma once

#include <criterion/criterion.h>
#include <link.h>
#include <netinet/in.h>

#include "collectord/http/http.h"
#include "collectord/http/worker.h"
#include "tests/unit/live_fixture.h"

#define RECORDED "recorded_function"
#define ANSWER_MAX (1u << 20)

struct site {
	struct bench b;
	struct abi_region r;
	struct http *h;
	char path[192];
	unsigned requests; /* logged */
};

struct answer {
	char text[ANSWER_MAX];
	size_t len;
	bool is_over; /* the server closed */
};

__attribute__((constructor)) static void be_a_worker(int argc, char **argv)
{
	worker_main_if_asked(argc, argv);
}

/* What the stack of the recorded process names. */
__attribute__((noinline, used)) static int recorded_function(int n)
{
	volatile int sum = n;

	for (int i = 0; i < n; i++)
		sum += i;
	return sum;
}

/* The build-id among the notes at [at, end). */
static inline void read_build_id(const char *at, const char *end, struct module_info *m)
{
	while (end - at > (ptrdiff_t)sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)at;
		const char *name = at + sizeof(*n), *desc = name + ((n->n_namesz + 3u) & ~3u);

		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && n->n_descsz <= sizeof(m->build_id)) {
			m->build_id_len = n->n_descsz;
			memcpy(m->build_id, desc, n->n_descsz);
		}
		at = desc + ((n->n_descsz + 3u) & ~3u);
	}
}

/* As a program's shim would, but saying that its file is `path`. */
static inline void publish_program_as(const struct dl_phdr_info *info, const struct abi_region *r, const char *path)
{
	struct module_info m = { .start = UINT64_MAX, .bias = info->dlpi_addr };

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + ph->p_vaddr, end = start + ph->p_memsz;

		if (ph->p_type == PT_NOTE && ph->p_align <= 4)
			read_build_id((const char *)start, (const char *)end, &m);
		if (ph->p_type != PT_LOAD)
			continue;
		m.start = start < m.start ? start & ~4095ull : m.start;
		m.end = end > m.end ? end : m.end;
	}
	cr_assert(module_publish(r, &m, path, (uint32_t)strlen(path)));
}

static inline int publish_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	char self[512] = "";

	(void)size;
	cr_assert_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	publish_program_as(info, arg, self);
	return 1; /* the first one is the program */
}

static inline void site_on_request(const char *line, void *arg)
{
	struct site *s = arg;

	(void)line;
	s->requests++;
}

/* One object of 4096 bytes is in use, of a stack that begins in recorded_function(). */
static inline void site_record(struct site *s)
{
	struct abi_event e;

	bench_attach_self(&s->b, &s->r);
	dl_iterate_phdr(publish_program, &s->r);
	e = event(ABI_EVENT_ALLOC, 4096, 1, shim_stack(&s->r, (uintptr_t)recorded_function + 9, 1));
	shim_emit(&s->r, &e);
}

static inline void site_start(struct site *s, const struct http_config *given)
{
	struct http_config config = given ? *given : (struct http_config){ 0 };
	struct fault f;

	memset(s, 0, sizeof(*s));
	config.log = site_on_request;
	config.arg = s;
	bench_start(&s->b, "epoll", (struct collector_config){ .rate = 1 });
	snprintf(s->path, sizeof(s->path), "%s/http", s->b.dir);
	cr_assert_eq(http_new(s->b.loop, s->b.c, &config, &s->h, &f), 0, "%s", f.text);
	cr_assert_eq(http_listen_path(s->h, s->path, &f), 0, "%s", f.text);
}

static inline void site_stop(struct site *s)
{
	http_free(s->h);
	bench_stop(&s->b);
}

/* --- clients ---------------------------------------------------------------------------------------------------
 */

static inline int client_open(const struct site *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.107s", s->path);
	cr_assert_eq(connect(sock, (struct sockaddr *)&a, sizeof(a)), 0, "%s", strerror(errno));
	return sock;
}

static inline void client_send(int sock, const void *text, size_t len)
{
	ssize_t n = send(sock, text, len, MSG_NOSIGNAL);

	cr_assert(n == (ssize_t)len || (n < 0 && errno == EPIPE), "sent %zd of %zu: %s", n, len, strerror(errno));
}

/* True once the server has closed. */
static inline bool client_read(int sock, struct answer *a)
{
	ssize_t n = 1;

	while (!a->is_over && n > 0) {
		n = recv(sock, a->text + a->len, sizeof(a->text) - 1 - a->len, 0);
		a->is_over = n == 0 || (n < 0 && errno != EAGAIN);
		a->len += n > 0 ? (size_t)n : 0;
	}
	a->text[a->len] = '\0';
	return a->is_over;
}

static inline void ask_raw(struct site *s, const void *request, size_t len, struct answer *ret)
{
	int sock = client_open(s);

	ret->len = 0;
	ret->is_over = false;
	client_send(sock, request, len);
	TURN_UNTIL(s->b.loop, client_read(sock, ret));
	close(sock);
}

static inline void ask(struct site *s, const char *target, struct answer *ret)
{
	char request[1024];
	int n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);

	ask_raw(s, request, (size_t)n, ret);
}

static inline int status_of(const struct answer *a)
{
	int status = 0;

	return sscanf(a->text, "HTTP/1.%*d %d ", &status) == 1 ? status : 0;
}

static inline const char *body_of(const struct answer *a)
{
	const char *end = strstr(a->text, "\r\n\r\n");

	return end ? end + 4 : "";
}
