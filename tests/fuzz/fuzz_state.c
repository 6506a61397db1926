/* tests/fuzz/fuzz_state.c - a state memfd that came back damaged: header, log, checkpoint, and the region beside
 * it.
 *
 * A real session leaves its state once; each input changes some bytes of a copy, puts the checkpoint's sum right or
 * leaves it wrong, and lets a successor recover.  It is refused with a reason, or goes on and ends as any other. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collectord/live/census.h"
#include "collectord/live/memfd.h"
#include "collectord/live/pack.h"
#include "collectord/live/session.h"
#include "common/stacktab.h"

#define PARTS_MAX (512u * 1024)
#define PIECES 64
#define HEAD_AREAS 40 /* offset of the areas' {size, sum} in the state's header */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One stretch of the file that is not a hole. */
struct piece {
	off_t at;
	size_t n;
	uint8_t *bytes;
};

struct original {
	off_t size;
	struct piece pieces[PIECES];
	unsigned n;
};

static struct session_env env;
static struct census census;
static struct collector_config config;
static struct original state, region;
static int region_fd;    /* the one file: its inode stands in the state */
static uint8_t *program; /* somebody has it mapped */

static int store(void *arg, const char *name, const int *fds, unsigned n)
{
	(void)arg, (void)name, (void)fds, (void)n;
	return 0;
}

static void forget(void *arg, const char *name)
{
	(void)arg, (void)name;
}

static const struct keeper keeper = { .store = store, .forget = forget };

static void on_gone(struct session *s, void *arg)
{
	(void)s, (void)arg;
}

static void take_copy(int fd, struct original *o)
{
	struct stat st;
	off_t hole = 0, data;

	if (fstat(fd, &st))
		abort();
	o->size = st.st_size;
	while (o->n < PIECES && (data = lseek(fd, hole, SEEK_DATA)) >= 0) {
		struct piece *p = &o->pieces[o->n++];

		hole = lseek(fd, data, SEEK_HOLE);
		p->at = data;
		p->n = (size_t)(hole - data) < PARTS_MAX ? (size_t)(hole - data) : PARTS_MAX;
		p->bytes = malloc(p->n);
		if (!p->bytes || pread(fd, p->bytes, p->n, data) != (ssize_t)p->n)
			abort();
	}
}

static void record_something(struct session *s)
{
	const struct abi_region *r = &s->region.map;

	add_relaxed(&r->cursors->procs, 1);
	r->procs[0].pid = (uint32_t)getpid();
	store_release(&r->procs[0].state, ABI_PROC_ACTIVE);
	for (uint64_t i = 0; i < 50; i++) {
		uint64_t frames[] = { 0x1000 + i % 7, 0x2000, 0x3000 }, head = load_relaxed(&r->lanes[0].head);
		uint32_t id = stack_intern(r, frames, 3, 0, 0, stack_hash(frames, 3, 0, 0));

		r->events[head % r->geo.lane_events] =
			(struct abi_event){ .kind = i % 3 == 2 ? ABI_EVENT_FREE : ABI_EVENT_ALLOC,
					    .size = 100 + i,
					    .rate = 524288,
					    .stack = id };
		store_release(&r->lanes[0].head, head + 1);
		session_drain_now(s);
		if (i == 25 && session_checkpoint(s))
			abort();
	}
}

static void begin(void)
{
	struct hello h = { .status = HELLO_ACTIVE, .exe = "/bin/fuzz", .cmdline = "fuzz" };
	struct peer peer = { .pid = (uint32_t)getpid(), .pidfd = pidfd_open(getpid(), 0), .sock = -1 };
	static char dir[] = "/tmp/fuzz_state.XXXXXX";
	struct session *s;
	struct fault f;

	setenv("HEAPTAP_IO", "epoll", 1);
	if (!mkdtemp(dir) || loop_new(&env.loop, &f))
		abort();
	config = (struct collector_config){ .rate = 524288, .out_dir = dir, .skip_empty = true };
	env.config = &config;
	env.scratch = malloc(sizeof(*env.scratch));
	env.keeper = &keeper;
	env.census = &census;
	env.on_gone = on_gone;
	env.save =
		(struct save_env){ .loop = env.loop, .out_fd = open(dir, O_RDONLY | O_DIRECTORY), .out_dir = dir };
	rmdir(dir); /* nothing is written */
	if (session_new(&env, 1, &peer, &h, &s) || !s->state)
		abort();
	record_something(s);
	take_copy(state_fd(s->state), &state);
	take_copy(s->region.memfd, &region);
	region_fd = dup(s->region.memfd);
	program = mmap(NULL, (size_t)region.size, PROT_READ | PROT_WRITE, MAP_SHARED, region_fd, 0);
	if (program == MAP_FAILED)
		abort();
	session_free(s);
}

/* The offset that an input names, within the pieces. */
static void change(struct original *o, const uint8_t *edit)
{
	struct piece *p = &o->pieces[edit[0] % (o->n ? o->n : 1)];
	size_t at = ((size_t)edit[1] << 16 | (size_t)edit[2] << 8 | edit[3]) % p->n;

	p->bytes[at] ^= edit[4];
}

static int copy_of(const struct original *o, const char *name)
{
	int fd = memfd_new(name);

	if (fd < 0 || ftruncate(fd, o->size))
		abort();
	for (unsigned i = 0; i < o->n; i++)
		if (pwrite(fd, o->pieces[i].bytes, o->pieces[i].n, o->pieces[i].at) != (ssize_t)o->pieces[i].n)
			abort();
	return fd;
}

/* Checkpoints begin with whole pieces behind the log; the newer one's sum stands in the header. */
static void mend_sums(int fd)
{
	for (int i = 0; i < 2; i++) {
		uint64_t area[2];
		off_t at = HEAD_AREAS + (off_t)sizeof(area) * i;
		uint8_t *bytes;

		if (pread(fd, area, sizeof(area), at) != sizeof(area) || area[0] > PARTS_MAX || !area[0])
			continue;
		bytes = calloc(1, area[0]);
		if (bytes &&
		    pread(fd, bytes, area[0], 4096 + (off_t)STATE_LOG_SIZE + ((off_t)i << 34)) == (ssize_t)area[0])
			area[1] = pack_sum(0, bytes, area[0]);
		free(bytes);
		if (pwrite(fd, area, sizeof(area), at) != sizeof(area))
			abort();
	}
}

static bool recover(bool mended)
{
	int state_copy = copy_of(&state, STATE_MEMFD);
	struct session *s = NULL;
	struct fault f = { "" };

	for (unsigned i = 0; i < region.n; i++)
		memcpy(program + region.pieces[i].at, region.pieces[i].bytes, region.pieces[i].n);
	if (mended)
		mend_sums(state_copy);
	if (session_recover(&env, dup(region_fd), state_copy, &s, &f) || session_replay(s, UINT64_MAX, &f)) {
		if (!*f.text)
			abort();
		session_free(s);
		return false;
	}
	session_drain_now(s);
	loop_turn(env.loop, 0);
	session_free(s);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!env.loop) {
		begin();
		if (!recover(false) || !recover(true)) /* what is sound goes on */
			abort();
	}
	for (size_t i = 1; i + 5 <= size; i += 5)
		change(data[i] & 0x80 ? &region : &state, data + i);
	recover(size && data[0] & 1);
	for (size_t i = 1; i + 5 <= size; i += 5) /* and back: the same changes once more */
		change(data[i] & 0x80 ? &region : &state, data + i);
	return 0;
}
