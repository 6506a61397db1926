/* tests/fuzz/fuzz_messages.c - what strangers send to a collector's socket: hellos, requests, and neither.
 *
 * A whole collector on a socket in a scratch directory; each input is a few connections with one message each.  It
 * must go on listening, and be without sessions and descriptors of them in the end. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collectord/live/collector.h"
#include "collectord/live/control_proto.h"
#include "common/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/fuzz_messages.XXXXXX";
static char path[64];
static struct loop *loop;
static struct collector *collector;

static void tidy(void)
{
	char command[128];

	collector_free(collector);
	loop_free(loop);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		fprintf(stderr, "%s stays\n", dir);
}

static void start(void)
{
	struct collector_config c = {
		.socket_path = path, .listen_fd = -1, .out_dir = dir, .rate = 1, .skip_empty = true
	};
	struct fault f;

	signal(SIGPIPE, SIG_IGN);
	setenv("HEAPTAP_IO", "epoll", 1);
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/s", dir);
	if (loop_new(&loop, &f) || collector_new(loop, &c, &collector, &f))
		abort();
	atexit(tidy);
}

static int dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		abort();
	return fd;
}

union message {
	struct hello hello;
	struct control_request request;
	uint8_t bytes[sizeof(struct hello) + 64];
};

/* As `how` says: put right so far that it is looked at. */
static void mend(uint8_t how, union message *m)
{
	if (how & 1) {
		m->hello.magic = HELLO_MAGIC;
		m->hello.abi_major = how & 4 ? ABI_MAJOR : m->hello.abi_major;
		m->hello.size = how & 8 ? sizeof(m->hello) : m->hello.size;
	} else if (how & 2) {
		m->request.magic = CONTROL_MAGIC;
		m->request.version = how & 4 ? CONTROL_VERSION : m->request.version;
		m->request.size = how & 8 ? sizeof(m->request) : m->request.size;
	}
}

static void talk(uint8_t how, const uint8_t *data, size_t size)
{
	union message m = { 0 };
	size_t len = size < sizeof(m) ? size : sizeof(m);
	int fd = dial();

	memcpy(&m, data, len);
	mend(how, &m);
	if (how & 8 && how & 3)
		len = how & 1 ? sizeof(m.hello) : sizeof(m.request);
	send(fd, &m, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (how & 16)
		close(fd);
	for (int i = 0; i < 3; i++)
		if (loop_turn(loop, 0))
			abort();
	if (!(how & 16))
		close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!collector)
		start();
	while (size > 1) {
		size_t len = size - 1 < 1200 ? size - 1 : 1200;

		talk(data[0], data + 1, len);
		data += 1 + len;
		size -= 1 + len;
	}
	for (int i = 0; i < 3; i++)
		if (loop_turn(loop, 0))
			abort();
	if (collector_pending(collector) > 64)
		abort();
	return 0;
}
