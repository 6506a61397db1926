/* tests/unit/shim_tally.c - the count of allocated bytes: never more than is true, never short by more than it
 * says.
 *
 * Threads allocate as hooks.c does, by the same two lines; an oracle beside them adds up what they ask for. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proctab.h"
#include "preload/child.h"
#include "preload/tally.h"
#include "tests/unit/shim_armed.h"

static void setup(void)
{
	armed_start_as_process(1024);
	tally_init();
}

TestSuite(tally, .init = setup, .timeout = 120);

static void set_rate(uint32_t rate)
{
	store_relaxed(&t.r.control->rate, rate);
}

static uint64_t random_of(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* The hook. */
static void *allocate(size_t size)
{
	uint64_t z = size ? size : 1;

	if (z > sampler.left)
		return record_malloc(size);
	sampler.left -= z;
	return malloc(size);
}

/* One more allocation, of any magnitude up to 4 MiB; what it counts as. */
static uint64_t step(uint64_t *state)
{
	size_t size = random_of(state) & ((1u << random_of(state) % 23) - 1);

	record_free(allocate(size));
	return size ? size : 1;
}

struct count {
	uint64_t told, open;
};

static struct count count_of(uint32_t proc)
{
	const struct abi_proc *p = &t.r.procs[proc];

	return (struct count){ load_relaxed(&p->allocated), (uint64_t)load_relaxed(&p->counting) * ABI_COUNT_STEP };
}

static void expect_exactly(uint64_t bytes)
{
	struct count c = count_of(0);

	cr_expect_eq(c.open, 0);
	cr_expect_eq(c.told, bytes, "%lu, not %lu", c.told, bytes);
}

/* --- one thread ---------------------------------------------------------------------------------------------- */

static void expect_within(uint64_t bytes)
{
	struct count c = count_of(0);

	cr_assert(c.told <= bytes && bytes <= c.told + c.open, "%lu is not in %lu + %lu", bytes, c.told, c.open);
}

Test(tally, is_within_its_bound_after_every_allocation_whatever_the_rate)
{
	static const uint32_t rates[] = { 1, 2, 1000, 4096, 512u << 10, ABI_MAX_RATE, 0 };
	uint64_t sum = 0, state = 1;

	for (int i = 0; i < 20000; i++) {
		if (i % 100 == 0)
			set_rate(rates[random_of(&state) % ARRAY_SIZE(rates)]);
		sum += step(&state);
		expect_within(sum);
		cr_assert_eq(count_of(0).open, ABI_COUNT_STEP);
	}
	tally_end();
	expect_exactly(sum);
}

Test(tally, goes_on_exactly_after_the_end)
{
	uint64_t state = 2, sum = 0;

	set_rate(512u << 10);
	sum += step(&state);
	tally_end();
	for (int i = 0; i < 1000; i++) {
		if (i == 300)
			set_rate(0);
		if (i == 600)
			set_rate(4096);
		sum += step(&state);
		expect_exactly(sum);
	}
	tally_end();
	expect_exactly(sum);
}

/* Looks are far apart, unless there is a sample every few bytes: then a shared counter must not be touched each
 * time. */
Test(tally, tells_seldom)
{
	uint64_t last = 0;
	int told = 0;

	set_rate(1);
	for (int i = 0; i < 10000; i++) {
		record_free(allocate(64));
		told += count_of(0).told != last;
		last = count_of(0).told;
	}
	cr_expect_leq(told, 640000 / (int)TALLY_OFTEN + 1);
	cr_expect_geq(told, 640000 / (int)TALLY_OFTEN - 1);
}

Test(tally, keeps_nothing_large_to_itself)
{
	set_rate(ABI_MAX_RATE);
	record_free(allocate(1));
	record_free(allocate(3ull << 30));
	cr_expect_geq(count_of(0).told, 3ull << 30);
}

/* --- threads ------------------------------------------------------------------------------------------------- */

static _Atomic uint64_t all;

static void *run(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	for (uint64_t i = random_of(&state) % 2000; i > 0; i--)
		add_relaxed(&all, step(&state));
	return NULL;
}

Test(tally, ended_threads_have_told_all)
{
	pthread_t thread[8];

	set_rate(512u << 10);
	for (uintptr_t round = 0; round < 40; round++) {
		for (uintptr_t i = 0; i < ARRAY_SIZE(thread); i++)
			cr_assert_eq(pthread_create(&thread[i], NULL, run, (void *)(round * 8 + i)), 0);
		for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
			pthread_join(thread[i], NULL);
	}
	expect_exactly(load_relaxed(&all));
}

static pthread_key_t late;

static void allocate_late(void *rounds)
{
	add_relaxed(&all, 1000);
	record_free(allocate(1000));
	if ((uintptr_t)rounds > 1)
		pthread_setspecific(late, (void *)((uintptr_t)rounds - 1));
}

static void *end_late(void *arg)
{
	pthread_setspecific(late, (void *)4);
	return run(arg);
}

/* Other keys' destructors come after ours, several times. */
Test(tally, what_destructors_of_a_thread_allocate_is_counted)
{
	pthread_t thread;

	set_rate(512u << 10);
	cr_assert_eq(pthread_key_create(&late, allocate_late), 0);
	for (uintptr_t i = 0; i < 100; i++) {
		cr_assert_eq(pthread_create(&thread, NULL, end_late, (void *)i), 0);
		pthread_join(thread, NULL);
	}
	expect_exactly(load_relaxed(&all));
}

/* --- forked children ----------------------------------------------------------------------------------------- */

static int in_child(uint32_t proc)
{
	uint64_t sum = 0, state = 6;
	struct count c;

	set_rate(512u << 10);
	for (int i = 0; i < 1000; i++)
		sum += step(&state);
	if (load_relaxed(&page->holder) != proc + 1) /* not begun: no sample in 180 MB */
		return 10;
	c = count_of(proc);
	if (c.told > sum || sum > c.told + c.open || c.open != ABI_COUNT_STEP)
		return 11;
	tally_end();
	c = count_of(proc);
	return c.told == sum && !c.open ? 0 : 12;
}

/* The region is private memory here: the child works in its own copy.  `takes`: the entry that it finds free. */
static void fork_counting(uint32_t takes)
{
	uint64_t sum = 0, state = 5;
	int status;
	pid_t pid;

	for (int i = 0; i < 1000; i++)
		sum += step(&state);
	while (!sampler.passed) /* something that is its parent's to tell */
		sum += step(&state);
	pid = fork();
	if (pid == 0) {
		store_relaxed(&t.r.cursors->procs, takes);
		if (takes == 0)
			proc_release(&t.r, 0);
		_exit(in_child(takes));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "status %#x", (unsigned)status);
	expect_within(sum);
	tally_end();
	expect_exactly(sum);
}

Test(tally, child_counts_its_own_from_the_fork_on)
{
	fork_counting(1);
}

Test(tally, child_may_have_the_entry_of_its_dead_parent)
{
	fork_counting(0);
}
