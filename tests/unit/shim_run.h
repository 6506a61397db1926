/* tests/unit/shim_run.h - real processes under the built library, with the test as their collector.
 *
 * Runs victims and build/libheaptap.so next to the test program.  For test programs of one thread; events[] holds
 * what the last drain found. */
#pragma once

#include "tests/unit/shim_server.h"

#define MAX_EVENTS (1u << 18)
#define ALLOCATE_BYTES 512 /* no shorter than known_blocks.c's allocate() */

static char build[512]; /* the build directory, from our own path: build/tests/unit/shim_hooks */

static inline void find_build(void)
{
	ssize_t n = readlink("/proc/self/exe", build, sizeof(build) - 1);

	cr_assert_gt(n, 0);
	for (int up = 0; up < 3; up++)
		*strrchr(build, '/') = '\0';
}

/* Run `command` with `env` in front, by a shell; all it prints goes to out[].  Returns its wait status. */
static inline int run(const char *env, const char *command, char *out, size_t size)
{
	char line[2048];
	size_t n = 0, got;
	FILE *f;

	snprintf(line, sizeof(line), "cd '%s' && %s %s 2>&1", build, env, command);
	f = popen(line, "re");
	cr_assert_not_null(f);
	while ((got = fread(out + n, 1, size - 1 - n, f)) > 0)
		n += got;
	out[n] = '\0';
	return pclose(f);
}

static inline struct abi_geometry geometry(void)
{
	return (struct abi_geometry){ .lanes = 8,
				      .lane_events = 65536,
				      .procs = 4,
				      .stack_slots = 4096,
				      .stack_words = 1 << 20,
				      .spill_slots = 1024,
				      .modules = 256,
				      .strings = 65536 };
}

/* Run `command` under the library, other libraries in front of it and behind it, and a collector at `rate`; what
 * was recorded stays in *s. */
static inline int run_among(struct server *s, uint32_t rate, const char *front, const char *behind,
			    const char *command, char *out, size_t size)
{
	struct abi_geometry geo = geometry();
	char env[1024];
	int status;

	server_init(s, rate, &geo);
	server_start(s);
	snprintf(env, sizeof(env),
		 "LD_BIND_NOW=1 HEAPTAP_WAIT_MS=5000 HEAPTAP_SOCKET=%s LD_PRELOAD='%s %s/libheaptap.so %s'",
		 s->path, front, build, behind);
	status = run(env, command, out, size);
	server_stop(s);
	cr_assert_geq(s->n_heard, 1, "nobody came to the collector");
	return status;
}

static inline int run_recorded(struct server *s, uint32_t rate, const char *command, char *out, size_t size)
{
	return run_among(s, rate, "", "", command, out, size);
}

static struct abi_event events[MAX_EVENTS];

static inline struct abi_event *find_event(uint32_t n, uint64_t size, enum abi_event_kind kind)
{
	for (uint32_t i = 0; i < n; i++)
		if (events[i].size == size && events[i].kind == kind)
			return &events[i];
	return NULL;
}

static inline int count_events(uint32_t n, uint64_t size, enum abi_event_kind kind)
{
	int found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += events[i].size == size && events[i].kind == kind;
	return found;
}

/* Every block of the victim: one alloc with its size, a stack that begins in the victim's own function, and a free
 * exactly if it was freed. */
static inline void expect_known_blocks(const char *behind)
{
	static struct server s;
	static char out[4096];
	unsigned long from, size;
	int freed, at, more, blocks = 0;

	cr_assert_eq(run_among(&s, 1, "", behind, "tests/victims/known_blocks", out, sizeof(out)), 0);
	uint32_t n = server_drain(&s, events, MAX_EVENTS);

	cr_assert_lt(n, MAX_EVENTS);
	cr_assert_eq(sscanf(out, "%lx%n", &from, &at), 1);
	for (; sscanf(out + at, "%lu %d%n", &size, &freed, &more) == 2; at += more, blocks++) {
		struct abi_event *alloc = find_event(n, size, ABI_EVENT_ALLOC);
		uint64_t frames[ABI_MAX_DEPTH], word;

		cr_expect_eq(count_events(n, size, ABI_EVENT_ALLOC), 1, "size %lu", size);
		cr_expect_eq(count_events(n, size, ABI_EVENT_FREE), freed, "size %lu", size);
		cr_assert_not_null(alloc);
		cr_expect_eq(alloc->rate, 1);
		cr_expect_gt(stack_read(&s.r, alloc->stack, frames, ABI_MAX_DEPTH, &word), 2);
		cr_expect(frames[0] > from && frames[0] < from + ALLOCATE_BYTES, "size %lu: leaf %#lx, not %#lx",
			  size, frames[0], from);
	}
	cr_expect_eq(blocks, 10);
	cr_expect_eq(load_relaxed(&s.r.procs[0].untracked), 0);
	server_done(&s);
}

static inline const char *jemalloc(void)
{
	static const char *const places[] = { "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
					      "/usr/lib/aarch64-linux-gnu/libjemalloc.so.2" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	cr_skip_test("libjemalloc2 is not installed");
	return NULL;
}

/* A twin takes the return address it finds for the program's: so a hook must jump to everything, never call. */
static inline void expect_tail_jumps(const char *hook)
{
	static char code[1 << 16];
	char command[256];

	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn --disassemble=%s libheaptap.so", hook);
	cr_assert_eq(run("", command, code, sizeof(code)), 0);
	cr_expect_not_null(strstr(code, "\tjmp"), "%s is not there", hook);
	cr_expect_null(strstr(code, "\tcall"), "%s calls:\n%s", hook, code);
	cr_expect_null(strstr(code, "\tpush"), "%s has a frame:\n%s", hook, code);
	cr_expect_null(strstr(code, "@plt"), "%s goes where the program may interpose:\n%s", hook, code);
}
