/* tests/unit/test_evil.c - programs that attach as they should and then do to their region, or their collector,
 * what they like.
 *
 * One collector, one honest program that writes before and after each of them: the collector goes on, what the evil
 * one did ends with it, and the honest one's numbers are exact.  Run under AddressSanitizer and
 * UndefinedBehaviorSanitizer, too (make SAN=address,undefined check-unit). */
#include <grp.h>
#include <sys/random.h>

#include "tests/unit/control_fixture.h"
#include "tests/unit/session_fixture.h"

#define WORDS 4096u

static const struct collector_config as_daemon = { .rate = 1, .skip_empty = true };

static uint64_t noise(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static void fill(void *at, size_t n)
{
	for (size_t i = 0; i < n / 8; i++)
		((uint64_t *)at)[i] = noise();
}

static size_t region_bytes(const struct abi_region *r)
{
	struct abi_header h;

	abi_header_init(&h, &r->geo);
	return h.region_size;
}

/* --- what they do ----------------------------------------------------------------------------------------------
 */

static void head_far_ahead(struct abi_region *r)
{
	store_release(&r->lanes[3].head, 1ull << 40);
}

static void heads_backwards(struct abi_region *r)
{
	alloc_three_free_one(r);
	for (uint32_t i = 0; i < r->geo.lanes; i++)
		store_release(&r->lanes[i].head, load_relaxed(&r->lanes[i].head) - 1);
}

static void junk_in_lanes(struct abi_region *r)
{
	for (uint32_t l = 0; l < r->geo.lanes; l++) {
		fill(&r->events[l * r->geo.lane_events], 64 * sizeof(struct abi_event));
		store_release(&r->lanes[l].head, 60);
	}
}

static void junk_in_header_and_control(struct abi_region *r)
{
	fill(r->header, sizeof(*r->header));
	fill(r->control, sizeof(*r->control));
	fill(r->cursors, sizeof(*r->cursors));
	alloc_three_free_one(r);
}

static void locks_of_nobody(struct abi_region *r)
{
	for (uint32_t l = 0; l < r->geo.lanes; l++)
		store_relaxed(&r->lanes[l].lock, 0xdeadbeef);
	for (uint32_t l = 0; l < r->geo.lanes; l++)
		fill((void *)&r->lanes[l].tail, 8);
}

static void processes_without_end(struct abi_region *r)
{
	for (uint32_t i = 1; i < r->geo.procs; i++) {
		r->procs[i].pid = i % 3 ? (uint32_t)noise() : i % 2 ? 1 : (uint32_t)getppid();
		r->procs[i].parent = (i + 1) % r->geo.procs; /* all round */
		r->procs[i].start_ns = noise();
		store_release(&r->procs[i].state, i % 5 ? ABI_PROC_ACTIVE : ABI_PROC_CLAIMED);
	}
	store_relaxed(&r->cursors->procs, UINT32_MAX);
}

static void stacks_beyond_and_in_circles(struct abi_region *r)
{
	for (uint32_t i = 1; i < WORDS; i++) {
		r->words[i] = ABI_STACK_WORD(i % 2 ? 0xffff : noise(), noise(), noise());
		store_release(&r->slots[i], ABI_SLOT(noise(), i % 3 ? i : noise()));
	}
	store_relaxed(&r->cursors->words, UINT64_MAX);
	for (uint32_t i = 0; i < 1000; i++)
		emit(r, ABI_EVENT_ALLOC, noise(), i);
}

static void junk_in_spill_counters(struct abi_region *r)
{
	fill(r->spill, 4096 * sizeof(*r->spill));
	for (uint32_t i = 0; i < 2048; i += 2)
		store_release(&r->spill[i].key, (uint64_t)(i % 4) << 32 | i);
	add_relaxed(&r->procs[0].spilled, UINT64_MAX / 2);
}

static void junk_in_modules(struct abi_region *r)
{
	fill(r->modules, r->geo.modules * sizeof(*r->modules));
	memset(r->strings, '/', r->geo.strings);
	for (uint32_t i = 0; i < r->geo.modules; i++)
		store_release(&r->modules[i].state, ABI_MODULE_READY);
	store_relaxed(&r->cursors->modules, UINT32_MAX);
	alloc_three_free_one(r);
}

static void holes_everywhere(struct abi_region *r)
{
	alloc_three_free_one(r);
	madvise(r->header, region_bytes(r), MADV_REMOVE);
	alloc_three_free_one(r);
}

/* While it is read, for as long as we live. */
static void never_the_same_twice(struct abi_region *r)
{
	if (fork() == 0) {
		alarm(LIMIT_S);
		for (uint8_t *at = (uint8_t *)r->lanes;;)
			*(uint64_t *)(at + noise() % (region_bytes(r) - 3 * ABI_PAGE) / 8 * 8) = noise();
	}
	for (int i = 0; i < 200000; i++) {
		struct abi_event e = event((uint8_t)noise(), noise(), (uint32_t)noise(), (uint32_t)noise() % 64);

		shim_emit(r, &e);
	}
	kill(0, SIGKILL); /* our group */
}

static void seal(struct abi_region *r, unsigned seals)
{
	char path[64];
	unsigned long start = (unsigned long)r->header;
	int fd;

	/* Our own mapping's file, by its address. */
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, start + region_bytes(r));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		fcntl(fd, F_ADD_SEALS, seals);
}

static void sealed_by_us(struct abi_region *r)
{
	alloc_three_free_one(r);
	seal(r, F_SEAL_SEAL | F_SEAL_WRITE);
	seal(r, 0x10); /* F_SEAL_FUTURE_WRITE */
	seal(r, F_SEAL_SEAL);
}

static void somebody_else_now(struct abi_region *r)
{
	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return; /* not root */
	alloc_three_free_one(r);
}

static void children_of_children(struct abi_region *r)
{
	for (int i = 0; i < 300; i++)
		if (fork() == 0) {
			uint32_t mine = add_relaxed(&r->cursors->procs, 1) % r->geo.procs;

			r->procs[mine].pid = (uint32_t)getpid();
			store_release(&r->procs[mine].state, ABI_PROC_ACTIVE);
			_exit(0);
		}
}

static void times_of_another_world(struct abi_region *r)
{
	uint32_t s = shim_stack(r, 0x7000, 4);

	for (int i = 0; i < 1000; i++) {
		struct abi_event e = event(i % 2 ? ABI_EVENT_ALLOC : ABI_EVENT_FREE, UINT64_MAX >> 8, 1, s);

		e.time_ns = noise();
		e.born_ns = noise();
		shim_emit(r, &e);
	}
}

static const struct evil {
	const char *what;
	void (*body)(struct abi_region *r);
} evils[] = {
	{ "head far ahead", head_far_ahead },
	{ "heads backwards", heads_backwards },
	{ "junk in lanes", junk_in_lanes },
	{ "junk in header and control", junk_in_header_and_control },
	{ "locks of nobody", locks_of_nobody },
	{ "processes without end", processes_without_end },
	{ "stacks beyond and in circles", stacks_beyond_and_in_circles },
	{ "junk in spill counters", junk_in_spill_counters },
	{ "junk in modules", junk_in_modules },
	{ "holes everywhere", holes_everywhere },
	{ "never the same twice", never_the_same_twice },
	{ "sealed by us", sealed_by_us },
	{ "somebody else now", somebody_else_now },
	{ "children of children", children_of_children },
	{ "times of another world", times_of_another_world },
};

/* --- what must hold --------------------------------------------------------------------------------------------
 */

static void grouped(struct abi_region *r, void (*body)(struct abi_region *r))
{
	setpgid(0, 0);
	body(r);
}

static void (*current)(struct abi_region *r);

static void evil_body(struct abi_region *r)
{
	grouped(r, current);
}

/* All sessions but ours are over. */
static bool is_alone(const struct bench *b)
{
	return collector_pending(b->c) == 1;
}

static void ask_everything(struct bench *b)
{
	struct control_request q = good_request(CONTROL_LIST);
	struct reply a;

	q.session = 1; /* an evil one has thousands of processes */
	a = ask_bench(b, &q);
	cr_assert_eq(reply_error(&a), 0);
	collector_snapshot_all(b->c, SNAPSHOT_SIGNAL);
	cr_assert_eq(loop_turn(b->loop, 0), 0);
}

static void meet(struct bench *b, const struct evil *e)
{
	struct fake p;

	current = e->body;
	p = fake_start(b->sock, evil_body);
	TURN_UNTIL(b->loop, fake_ready(&p));
	for (int i = 0; i < 5; i++)
		cr_assert_eq(loop_turn(b->loop, 1), 0);
	ask_everything(b);
	fake_kill(&p);
	kill(-p.pid, SIGKILL);
	TURN_UNTIL(b->loop, is_alone(b));
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static struct snapshot *last_of_first_session(struct bench *b)
{
	char dir[300];
	struct snapshot *s = NULL;

	collector_shutdown(b->c);
	TURN_UNTIL(b->loop, collector_pending(b->c) == 0);
	snprintf(dir, sizeof(dir), "%s/s1", b->dir);
	for (unsigned i = 1; i < 1000; i++) {
		char name[400];
		struct fault f;

		snprintf(name, sizeof(name), "%s/%04u-asked.heaptap", dir, i);
		if (access(name, R_OK) == 0) {
			snapshot_free(s);
			cr_assert_eq(snapshot_read_file(name, &s, &f), 0, "%s", f.text);
		}
	}
	cr_assert_not_null(s);
	return s;
}

static void evil_and_honest(struct bench *b, size_t from, size_t to)
{
	struct abi_region honest;
	struct snapshot *s;
	uint32_t stack;
	uint64_t n = 0;

	bench_attach_self(b, &honest);
	stack = shim_stack(&honest, 0x4000, 6);
	for (size_t i = from; i < to; i++) {
		emit(&honest, ABI_EVENT_ALLOC, 1000 + n++, stack);
		meet(b, &evils[i]);
		emit(&honest, ABI_EVENT_ALLOC, 1000 + n++, stack);
	}
	s = last_of_first_session(b);
	cr_assert_eq(s->total.allocs, n);
	cr_assert_eq(s->total.alloc_bytes >> 8, n * 1000 + n * (n - 1) / 2);
	cr_assert_eq(s->audit.corrupt, 0);
	snapshot_free(s);
}

BACKENDS(evil, first_half_harms_nobody_else)
{
	struct bench b;

	bench_start(&b, *backend, as_daemon);
	evil_and_honest(&b, 0, ARRAY_SIZE(evils) / 2);
	bench_stop(&b);
}

BACKENDS(evil, second_half_harms_nobody_else)
{
	struct bench b;

	bench_start(&b, *backend, as_daemon);
	evil_and_honest(&b, ARRAY_SIZE(evils) / 2, ARRAY_SIZE(evils));
	bench_stop(&b);
}

/* What its books held before is saved, and it is told once. */
static struct session_view ended_view;
static unsigned ended_times;

static void on_ended(enum session_change what, const struct session_view *v, void *arg)
{
	bench_on_change(what, v, arg);
	if (what == SESSION_ENDED) {
		ended_view = *v;
		ended_times++;
	}
}

static void good_then_evil(struct abi_region *r)
{
	alloc_three_free_one(r);
	usleep(300000);
	head_far_ahead(r);
}

BACKENDS(evil, damaged_session_ends_at_once_and_says_why)
{
	struct bench b;
	struct fake p;
	struct fault f;
	struct collector_config c = exact;

	bench_start(&b, *backend, exact);
	collector_free(b.c);
	c.socket_path = b.sock;
	c.listen_fd = -1;
	c.out_dir = b.dir;
	c.on_change = on_ended;
	c.arg = &b;
	cr_assert_eq(collector_new(b.loop, &c, &b.c, &f), 0, "%s", f.text);
	ended_times = 0;
	p = fake_start(b.sock, good_then_evil);
	TURN_UNTIL(b.loop, b.ended == 1);
	cr_assert_eq(kill(p.pid, 0), 0, "it lives on, unrecorded");
	cr_assert(ended_view.is_damaged);
	cr_assert_eq(ended_times, 1);
	fake_kill(&p);
	assert_serves(&b);
	cr_assert(!ended_view.is_damaged);
	bench_stop(&b);
}
