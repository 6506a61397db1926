/* tests/tools/oracle.so.c - preloaded into real programs: our walk against libgcc's, see oracle.h.
 *
 * Every ORACLE_EVERY-th malloc, calloc and realloc of each thread (default 97) is walked by both.  At exit one line
 * per process is appended to the file ORACLE_OUT:  "exe checked equal beyond flagged differ", and, on lines that
 * begin with a blank, the first few stacks that were not equal.  Test only: allocates, locks and prints. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/tools/oracle.h"

#define REPORTS 4
#define TLS __thread __attribute__((tls_model("initial-exec")))

static struct abi_region region;
static _Atomic unsigned long tally[ORACLE_VERDICTS];
static _Atomic unsigned reports;
static unsigned every = 97;
static int out = -1;
static TLS unsigned calls;
static TLS bool busy;

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);

static void describe(const char *who, const uint64_t *frames, unsigned n, unsigned from)
{
	for (unsigned i = from; i < n && i < from + 4; i++) {
		Dl_info info = { 0 };
		uintptr_t ip = frames[i] & ~ABI_FRAME_EXACT;

		dladdr((void *)ip, &info);
		dprintf(out, "   %s %u %s%lx %s+%lx %s\n", who, i, frames[i] & ABI_FRAME_EXACT ? "=" : "", ip,
			info.dli_fname ? info.dli_fname : "?", ip - (uintptr_t)info.dli_fbase,
			info.dli_sname ? info.dli_sname : "");
	}
}

static void compare(const struct unwind_start *start)
{
	static TLS struct oracle *o;
	const struct unwind_stack *s;
	enum oracle_verdict v;

	if (!o)
		o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s = unwind_walk(start, ABI_MAX_DEPTH, (unsigned)((uintptr_t)&calls >> 12));
	v = oracle_judge(o, start, s);
	tally[v]++;
	if (v != ORACLE_EQUAL && reports++ < REPORTS) {
		dprintf(out, " verdict %d: ours %u frames, flags %u; libgcc %u; equal %u\n", v, s->n, s->flags,
			o->n, o->same);
		describe("common", o->frames, o->same, o->same > 3 ? o->same - 3 : 0);
		describe("ours", s->frames, s->n, o->same);
		describe("libgcc", o->frames, o->n, o->same);
	}
	unwind_done(s);
}

#define CHECK()                                                  \
	do {                                                     \
		ORACLE_START(start);                             \
                                                                 \
		if (out >= 0 && !busy && ++calls % every == 0) { \
			busy = true;                             \
			compare(&start);                         \
			busy = false;                            \
		}                                                \
	} while (0)

__attribute__((visibility("default"), noinline)) void *malloc(size_t size)
{
	if (!next_malloc)
		*(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
	CHECK();
	return next_malloc(size);
}

__attribute__((visibility("default"), noinline)) void *calloc(size_t n, size_t size)
{
	if (!next_calloc)
		*(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
	CHECK();
	return next_calloc(n, size);
}

__attribute__((visibility("default"), noinline)) void *realloc(void *p, size_t size)
{
	if (!next_realloc)
		*(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
	CHECK();
	return next_realloc(p, size);
}

static bool make_region(void)
{
	struct abi_geometry geo = { .lanes = 1,
				    .lane_events = 64,
				    .procs = 4,
				    .stack_slots = 1024,
				    .stack_words = 65536,
				    .spill_slots = 64,
				    .modules = 4096,
				    .strings = 1 << 20 };
	struct abi_header header;
	void *base;

	if (!abi_header_init(&header, &geo))
		return false;
	base = mmap(NULL, header.region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return false;
	memcpy(base, &header, sizeof(header));
	abi_region_map(&region, base, &header);
	return true;
}

/* A forked child counts its own. */
static void forget(void)
{
	for (int v = 0; v < ORACLE_VERDICTS; v++)
		tally[v] = 0;
}

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	const char *path = getenv("ORACLE_OUT"), *n = getenv("ORACLE_EVERY");

	(void)argc;
	(void)argv;
	if (n && atoi(n) > 0)
		every = (unsigned)atoi(n);
	if (path && make_region() && unwind_init(&region, envp) == 0) {
		out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		out = out < 0 ? out : fcntl(out, F_DUPFD_CLOEXEC, 200);
		pthread_atfork(NULL, NULL, forget);
	}
}

__attribute__((destructor)) static void finish(void)
{
	char exe[512] = "";
	unsigned long sum = 0;

	for (int v = 0; v < ORACLE_VERDICTS; v++)
		sum += tally[v];
	if (out < 0 || sum == 0 || readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		return;
	dprintf(out, "%s %lu %lu %lu %lu %lu\n", exe, sum, tally[ORACLE_EQUAL], tally[ORACLE_BEYOND],
		tally[ORACLE_FLAGGED], tally[ORACLE_DIFFER]);
	out = -1;
}
