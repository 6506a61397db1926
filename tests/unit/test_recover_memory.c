/* tests/unit/test_recover_memory.c - a program's whole life, again and again, each time another allocation fails.
 *
 * Attaching, events, a forked child, spill counters, a checkpoint, a kill, recovery, the child's end, another kill,
 * more events, the end: the n-th allocation of the collector fails, once, for each n (every sixth in make check).
 * Then the totals are exact, or the program was refused; never anything between.  The linker puts our allocators
 * before the collector's own calls
 * (--wrap); libc's and Criterion's are not counted. */
#include <glob.h>
#include <sys/mman.h>

#include "common/proctab.h"
#include "tests/unit/recover_fixture.h"

enum { SIZE_0 = 100, SIZE_1 = 200, LIVES = 4096 };

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);

static bool armed;
static unsigned left; /* until one fails; 0: none does */

static bool fails(void)
{
	if (!armed || !left || --left)
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return fails() ? MAP_FAILED : __real_mmap(p, n, prot, flags, fd, at);
}

/* --- the program -----------------------------------------------------------------------------------------------
 */

struct life {
	struct bench b;
	struct fake program;
	pid_t *child; /* shared: the program's */
	struct abi_region r;
	void *base;
	int region, state; /* ours, as a service manager has them */
	bool refused;
};

static struct life l;

/* It has attached: forks a child that has the region, too. */
static void run_program(struct abi_region *r)
{
	const pid_t child = fork();

	(void)r;
	while (child == 0)
		pause();
	*l.child = child;
}

static void map_region(void)
{
	struct abi_header h;
	struct stat st;

	l.region = dup(shelf.kept[0].fd);
	l.state = dup(shelf.kept[1].fd);
	cr_assert_eq(fstat(l.region, &st), 0);
	l.base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, l.region, 0);
	cr_assert_neq(l.base, MAP_FAILED);
	memcpy(&h, l.base, sizeof(h));
	abi_region_map(&l.r, l.base, &h);
}

/* As process `proc`: through a lane, and through the counters. */
static void happen(uint16_t proc, uint64_t size, uint64_t leaf)
{
	struct abi_event e = event(ABI_EVENT_ALLOC, size, 1, shim_stack(&l.r, leaf, 4));

	e.proc = proc;
	shim_emit(&l.r, &e);
	e.stack = shim_stack(&l.r, leaf + 0x100, 2);
	spill_add(&l.r, &e);
	add_relaxed(&l.r.procs[proc].spilled, 1);
	e.kind = ABI_EVENT_FREE;
	e.stack = shim_stack(&l.r, leaf, 4);
	shim_emit(&l.r, &e);
}

static int claim_entry(void)
{
	const struct proc_info child = { .pid = (uint32_t)*l.child, .parent_pid = (uint32_t)l.program.pid };

	return proc_claim(&l.r, &child);
}

/* --- its life --------------------------------------------------------------------------------------------------
 */

static void drain(void)
{
	armed = true;
	collector_drain_all(l.b.c);
	collector_drain_all(l.b.c);
	armed = false;
}

static void turn(void)
{
	armed = true;
	cr_assert_eq(loop_turn(l.b.loop, 20), 0);
	armed = false;
}

#define TURN_WHILE(cond)                                                                   \
	do {                                                                               \
		double limit_ = seconds() + LIMIT_S;                                       \
		while (cond) {                                                             \
			turn();                                                            \
			cr_assert_lt(seconds(), limit_, "for ever: %s (%u)", #cond, left); \
		}                                                                          \
	} while (0)

static bool program_ended(void)
{
	return waitpid(l.program.pid, NULL, WNOHANG) == l.program.pid;
}

/* False: it was refused, as it may be without memory. */
static bool attach(void)
{
	l.program = fake_start(l.b.sock, run_program);
	TURN_WHILE(!fake_ready(&l.program));
	if (*l.child > 0)
		return true;
	kill(l.program.pid, SIGKILL);
	TURN_WHILE(!program_ended());
	return false;
}

/* Without memory it does not come up, and is started again with what is kept. */
static void start_another(void)
{
	struct collector_config config = kept_config;
	struct fault f;
	int r;

	collector_free(l.b.c);
	do {
		struct kept kept[] = { { "session.1", dup(l.region) }, { "session.1", dup(l.state) } };

		config.socket_path = l.b.sock;
		config.listen_fd = -1;
		config.out_dir = l.b.dir;
		config.on_change = bench_on_change;
		config.arg = &l.b;
		config.kept = kept;
		config.n_kept = 2;
		armed = true;
		r = collector_new(l.b.loop, &config, &l.b.c, &f);
		armed = false;
	} while (r == -ENOMEM);
	cr_assert_eq(r, 0, "%s", f.text);
	TURN_WHILE(LIST_EMPTY(&l.b.c->sessions));
}

static void checkpoint(void)
{
	struct session *s = LIST_FIRST(&l.b.c->sessions);

	armed = true;
	if (s->state)
		session_checkpoint(s);
	armed = false;
}

static void kill_child(void)
{
	cr_assert_eq(kill(*l.child, SIGKILL), 0);
	TURN_WHILE(session_process(LIST_FIRST(&l.b.c->sessions), 1));
}

static void end_program(void)
{
	munmap(l.base, l.r.header->region_size);
	fake_kill(&l.program);
	TURN_WHILE(collector_pending(l.b.c));
	waitpid(l.program.pid, NULL, 0);
}

/* A snapshot that failed for want of memory was tried again, under the next number. */
static void assert_exact(const char *dir, uint64_t size, unsigned rounds)
{
	char pattern[512];
	struct snapshot *s;
	struct fault f;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/%s/*-exit.heaptap", l.b.dir, dir);
	cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s", pattern);
	cr_assert_eq(found.gl_pathc, 1);
	cr_assert_eq(snapshot_read_file(found.gl_pathv[0], &s, &f), 0, "%s", f.text);
	globfree(&found);
	cr_assert_eq(s->total.allocs, 2 * rounds, "%s: %lu allocs", dir, (unsigned long)s->total.allocs);
	cr_assert_eq(s->total.frees, rounds);
	cr_assert_eq(s->total.alloc_bytes >> 8, 2 * rounds * size);
	cr_assert_eq(s->total.free_bytes >> 8, rounds * size);
	cr_assert_eq(s->audit.corrupt, 0);
	cr_assert_eq(s->audit.drained + s->audit.spilled, 3 * rounds);
	snapshot_free(s);
}

static void live(void)
{
	int child;

	map_region();
	happen(0, SIZE_0, 0x1000);
	drain();
	child = claim_entry();
	cr_assert_eq(child, 1);
	happen(1, SIZE_1, 0x2000);
	happen(0, SIZE_0, 0x3000);
	drain();
	checkpoint();
	happen(1, SIZE_1, 0x4000);
	drain();
	happen(1, SIZE_1, 0x2000);
	start_another();
	kill_child();
	happen(0, SIZE_0, 0x5000);
	drain();
	start_another();
	happen(0, SIZE_0, 0x1000);
	end_program();
	assert_exact("s1", SIZE_0, 4);
	assert_exact("s1.1", SIZE_1, 3);
	close(l.region);
	close(l.state);
}

static void forget_shelf(void)
{
	while (shelf.n)
		close(shelf.kept[--shelf.n].fd);
	memset(&shelf, 0, sizeof(shelf));
}

/* Whether the n-th allocation was there to fail. */
static bool live_with(unsigned n)
{
	forget_shelf();
	armed = false;
	bench_start(&l.b, "epoll", kept_config);
	l.child = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	left = n;
	if (attach())
		live();
	munmap(l.child, PAGE);
	bench_stop(&l.b);
	return left == 0;
}

Test(recover_memory, without_a_failure_a_life_is_exact, .timeout = 60)
{
	cr_expect_not(live_with(UINT32_MAX));
	cr_expect_gt(UINT32_MAX - left, 20, "allocations are counted");
}

/* Each of them takes a minute: make check-long. */
static unsigned stride(void)
{
	return getenv("EVERY_ALLOCATION") ? 1 : 6;
}

Test(recover_memory, whichever_allocation_fails_the_totals_are_exact, .timeout = 300)
{
	unsigned n = 1;

	while (n < LIVES && live_with(n))
		n += stride();
	cr_expect_gt(n, 20);
	cr_expect_lt(n, LIVES);
}
