/* tests/unit/points_killed.c - a writer killed at every named step: nothing that was done is lost, nothing that was
 * not done is seen, nobody after it is held up.
 *
 * A forked child writes events into a shared region of few, short lanes, so that some spill, and kills itself with
 * SIGKILL at the n-th passage of a test point; the parent is the collector that finds the body.  Each point at each
 * of its first passages, until KILLS children have died. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "common/lane.h"
#include "common/spill.h"
#include "common/stacktab.h"
#define HEAPTAP_TEST_POINTS
#include "common/testpoint.h"
#include "preload/attach.h"
#include "preload/emit.h"

enum { KILLS = 10000, OPS = 40, STACKS = 5, DEPTH = 3 };

static const char *const points[] = { "stack_written",    "stack_published", "lane_locked",     "event_written",
				      "event_published",  "lane_unlocked",   "spill_announced", "spill_claimed",
				      "spill_half_added", "spill_added" };

struct journal {
	uint32_t begun, done; /* operations of the child */
};

static struct abi_header header;
static struct abi_region region;
static struct journal *journal;
static const char *deadly;
static uint32_t passages_left;

void test_point(const char *name)
{
	if (deadly && strcmp(name, deadly) == 0 && --passages_left == 0)
		kill(getpid(), SIGKILL);
}

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

static void setup(void)
{
	struct abi_geometry geo = { .lanes = 2,
				    .lane_events = 8,
				    .procs = 2,
				    .stack_slots = 64,
				    .stack_words = 256,
				    .spill_slots = 64,
				    .modules = 1,
				    .strings = 64 };

	cr_assert(abi_header_init(&header, &geo));
	abi_region_map(&region, shared(header.region_size), &header);
	journal = shared(sizeof(*journal));
}

TestSuite(killed, .init = setup, .timeout = 170);

static void make_region(void)
{
	memset(region.header, 0, header.region_size);
	*region.header = header;
	store_relaxed(&region.cursors->words, 1);
	*journal = (struct journal){ 0 };
	for (uint32_t i = 0; i < region.geo.procs; i++)
		cr_assert(spill_reserve(&region, i));
}

static void frames_of(uint32_t op, uint64_t *frames)
{
	for (uint32_t i = 0; i < DEPTH; i++)
		frames[i] = 1000 * (op % STACKS + 1) + i;
}

static void operate(uint32_t holder, uint32_t op)
{
	uint64_t frames[DEPTH];
	struct live_entry e = { .size = op + 1, .rate = 1 };

	frames_of(op, frames);
	e.stack = stack_intern(&region, frames, DEPTH, 0, 0, stack_hash(frames, DEPTH, 0, 0));
	if (op % 4 == 3)
		emit_free(holder, &e, 0);
	else
		emit_alloc(holder, &e);
}

static void arm(uint32_t holder)
{
	static struct attach_page page;

	store_relaxed(&page.holder, holder);
	attach.region = region;
	store_release(&attach.armed, &page); /* V, pairs with W */
}

/* Does a child die at this passage of the point?  No: it has fewer of them. */
static bool dies(const char *point, uint32_t passage)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		deadly = point;
		passages_left = passage;
		arm(1);
		for (uint32_t op = 0; op < OPS; op++) {
			journal->begun = op + 1;
			operate(1, op);
			journal->done = op + 1;
		}
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	return status != 0;
}

struct sums {
	uint64_t events, bytes, count;
};

/* Events of the dead, each whole and once, each with its stack. */
static struct sums drained(uint16_t proc)
{
	struct sums sum = { 0 };
	bool seen[OPS + 1] = { false };

	for (uint32_t l = 0; l < region.geo.lanes; l++) {
		uint64_t tail = load_relaxed(&region.lanes[l].tail), frames[DEPTH], expected[DEPTH], word;
		struct abi_event e;

		while (lane_copy(&region, l, &tail, &e, 1) == 1) {
			cr_assert(e.proc == proc && e.size >= 1 && e.size <= OPS && !seen[e.size]);
			seen[e.size] = true;
			cr_assert_eq(e.kind, (e.size - 1) % 4 == 3 ? ABI_EVENT_FREE : ABI_EVENT_ALLOC);
			frames_of((uint32_t)e.size - 1, expected);
			cr_assert_eq(stack_read(&region, e.stack, frames, DEPTH, &word), DEPTH);
			cr_assert_eq(memcmp(frames, expected, sizeof(frames)), 0);
			sum.events++;
			sum.count++;
			sum.bytes += e.size;
		}
		lane_release(&region, l, tail);
	}
	return sum;
}

static void add_spilled(struct sums *sum)
{
	struct spill_sums s;
	uint32_t proc, stack;

	for (uint32_t i = 0; i < region.geo.spill_slots; i++) {
		if (!spill_read(&region, i, &proc, &stack, &s))
			continue;
		sum->events += s.alloc.events + s.freed.events;
		sum->count += (s.alloc.count + s.freed.count) >> 16;
		sum->bytes += (s.alloc.bytes + s.freed.bytes) >> 8;
	}
}

static uint64_t bytes_of(uint32_t ops)
{
	return (uint64_t)ops * (ops + 1) / 2;
}

/* Each sum has all that was done, and at most the one operation more that death interrupted. */
static void expect_all_but_one(const struct sums *sum)
{
	cr_assert(sum->events >= journal->done && sum->events <= journal->begun, "%lu events, %u done", sum->events,
		  journal->done);
	cr_assert(sum->count >= journal->done && sum->count <= journal->begun);
	cr_assert(sum->bytes >= bytes_of(journal->done) && sum->bytes <= bytes_of(journal->begun));
}

static void expect_free_lanes(void)
{
	struct sums sum;

	for (uint32_t l = 0; l < region.geo.lanes; l++)
		cr_assert_eq(load_relaxed(&region.lanes[l].lock), 0, "lane %u is shut", l);
	arm(2);
	for (uint32_t op = 0; op < region.geo.lanes * region.geo.lane_events; op++)
		operate(2, op);
	sum = drained(1);
	cr_assert_eq(sum.events, region.geo.lanes * region.geo.lane_events, "the next one finds all of both lanes");
}

static void bury(void)
{
	struct sums sum;

	lane_unlock_dead(&region, 0);
	sum = drained(0);
	add_spilled(&sum);
	expect_all_but_one(&sum);
	expect_free_lanes();
}

Test(killed, at_every_step_loses_nothing_and_blocks_nobody)
{
	uint32_t deaths = 0, of_point[ARRAY_SIZE(points)] = { 0 };

	while (deaths < KILLS)
		for (size_t i = 0; i < ARRAY_SIZE(points); i++)
			for (uint32_t passage = 1; passage <= OPS; passage++) {
				make_region();
				if (!dies(points[i], passage))
					break;
				deaths++;
				of_point[i]++;
				bury();
			}
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		cr_expect_gt(of_point[i], 0, "%s is never passed", points[i]);
}
