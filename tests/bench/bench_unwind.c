/* tests/bench/bench_unwind.c - nanoseconds and instructions for one walk, by depth and method.
 *
 *   chain      the last walk is joined after a frame or two (a loop that allocates)
 *   rules      every frame is stepped by its cached rule
 *   libunwind  unw_backtrace, the fastest that libunwind has
 *   rbp        following frame pointers, what a program built with them could do
 * and for the first sight of a code address: module, FDE and CFA program.  Times are the best of several rounds.
 * Instructions are counted by callgrind, in runs of this program with the arguments METHOD DEPTH; without valgrind
 * there are none.  What is measured is the shim's own objects; a new epoch before each walk makes them forget the
 * chain. */
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/atomics.h"
#include "common/compiler.h"
#include "preload/cfi.h"
#include "preload/modules.h"
#include "preload/rules.h"
#include "preload/unwind.h"

#define FRAMES 128
#define WALKS 1000
#define ROUNDS 200

static struct abi_region region;
static volatile uintptr_t sink;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define START(name)                                                                                      \
	uintptr_t *name##_fa = __builtin_frame_address(0);                                               \
	struct unwind_start name = { (uintptr_t)__builtin_return_address(0), (uintptr_t)(name##_fa + 2), \
				     name##_fa[0] }

static NOINLINE uint32_t by_chain(void)
{
	START(start);
	const struct unwind_stack *s = unwind_walk(&start, FRAMES, 0);
	uint32_t n = s->n;

	unwind_done(s);
	return n;
}

static NOINLINE uint32_t by_rules(void)
{
	START(start);
	const struct unwind_stack *s;
	uint32_t n;

	store_relaxed(&region.cursors->epoch, modules_epoch() + 1);
	s = unwind_walk(&start, FRAMES, 1);
	n = s->n;
	unwind_done(s);
	return n;
}

static NOINLINE uint32_t by_libunwind(void)
{
	void *frames[FRAMES];

	return (uint32_t)unw_backtrace(frames, FRAMES);
}

static NOINLINE uint32_t by_rbp(void)
{
	uintptr_t frames[FRAMES], *fp = __builtin_frame_address(0);
	uint32_t n = 0;

	while (n < FRAMES && fp && fp[0] > (uintptr_t)fp) {
		frames[n++] = fp[1];
		fp = (uintptr_t *)fp[0];
	}
	sink = frames[0];
	return n;
}

static double time_of(uint32_t (*walk_once)(void), uint32_t *ret_n)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double t = now();

		for (int i = 0; i < WALKS; i++)
			*ret_n = walk_once();
		t = (now() - t) / WALKS;
		best = t < best ? t : best;
	}
	return best;
}

static const struct method {
	const char *name;
	uint32_t (*walk_once)(void);
} methods[] = { { "chain", by_chain }, { "rules", by_rules }, { "libunwind", by_libunwind }, { "rbp", by_rbp } };

/* What a run under callgrind counts. */
static NOINLINE void counted(uint32_t (*walk_once)(void))
{
	for (int i = 0; i < WALKS; i++)
		sink = walk_once();
}

/* Instructions of one walk; 0: valgrind is not there. */
static unsigned long instructions(const char *method, int depth)
{
	char command[256], line[256];
	unsigned long sum = 0;
	FILE *f;

	snprintf(command, sizeof(command),
		 "valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=counted /proc/%d/exe "
		 "%s %d 2>&1",
		 getpid(), method, depth);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "Collected"))
			sum = strtoul(strchr(line, ':') + 1, NULL, 10);
	if (f)
		pclose(f);
	return sum / WALKS;
}

static const struct method *only; /* in a run that is counted */
static int depth_now;

static NOINLINE void report(void)
{
	uint32_t n;

	if (only) {
		only->walk_once();
		counted(only->walk_once);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		double ns = time_of(methods[i].walk_once, &n);
		unsigned long count = instructions(methods[i].name, depth_now);

		printf("%5u  %-9s  %7.1f  %6.2f  %10lu  %6.1f\n", n, methods[i].name, ns, ns / n, count,
		       (double)count / n);
	}
}

/* Frames of differing size, not all with a frame pointer's shape. */
static NOINLINE int descend(int n)
{
	volatile char *room = __builtin_alloca(16 + (size_t)(n % 5) * 24);
	int r;

	room[0] = (char)n;
	if (n > 0)
		r = descend(n - 1);
	else
		report(), r = 0;
	__asm__ volatile("" : "+r"(r) : : "memory");
	return r + room[0];
}

/* Compile rules for addresses spread over libunwind and libc, which no walk has seen. */
static void report_first_sight(void)
{
	const uintptr_t start = (uintptr_t)qsort, end = start + 0x40000;
	double t = now();
	unsigned n = 0;

	for (uintptr_t pc = start; pc < end; pc += 97, n++)
		rules_keep(pc, cfi_rule(modules_find(pc), pc), rules_generation());
	printf("first sight of an address: %.0f ns\n", (now() - t) / n);
}

int main(int argc, char **argv, char **envp)
{
	static const int depths[] = { 4, 19, 44, 79 };
	struct abi_geometry geo = { .lanes = 1,
				    .lane_events = 64,
				    .procs = 4,
				    .stack_slots = 1024,
				    .stack_words = 65536,
				    .spill_slots = 64,
				    .modules = 256,
				    .strings = 65536 };
	struct abi_header header;
	void *base;

	if (!abi_header_init(&header, &geo))
		return 1;
	base = mmap(NULL, header.region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(base, &header, sizeof(header));
	abi_region_map(&region, base, &header);
	if (unwind_init(&region, envp) != 0)
		return 1;
	for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(methods); i++)
		if (strcmp(argv[1], methods[i].name) == 0)
			only = &methods[i];
	if (only)
		return descend(atoi(argv[2])) == -1;
	printf("depth  method      ns/walk  /frame  instr/walk  /frame\n");
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		depth_now = depths[i];
		descend(depth_now);
	}
	report_first_sight();
	return 0;
}
