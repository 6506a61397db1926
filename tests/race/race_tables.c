/* tests/race/race_tables.c - common/'s lock-free tables under threads, for ThreadSanitizer.
 *
 * A plain program, because Criterion's process sandbox does not start under TSan.  Writers and one reader share
 * nothing but a region; every access TSan sees must be ordered by the letters of common/abi.h.  Exit 0 when all
 * totals are right; TSan makes the exit status non-zero for a race.  Run by `make SAN=thread check-race`. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/lane.h"
#include "common/modtab.h"
#include "common/spill.h"
#include "common/stacktab.h"
#include "common/weight.h"

enum { WRITERS = 4, EVENTS = 30000, STACKS = 200 };

static struct abi_region r;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "race_tables: %s\n", what);
	exit(1);
}

static void *writer(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < EVENTS; i++) {
		uint64_t frames[3] = { 1 + i % STACKS, 7 * (i % STACKS), 99 };
		struct abi_event e = { .size = i, .tid = me, .rate = 1, .kind = ABI_EVENT_ALLOC };
		struct module_info m = { .start = 4096, .end = 8192 };
		int lane;

		e.stack = stack_intern(&r, frames, 3, 0, 0, stack_hash(frames, 3, 0, 0));
		lane = lane_acquire(&r, 0, me, 2);
		if (lane >= 0)
			lane_publish(&r, lane, &e);
		else
			spill_add(&r, &e);
		if (i % 5000 == 0)
			module_publish(&r, &m, "/lib/x.so", 9);
	}
	return NULL;
}

/* Drain all lanes once; check that what an event names is readable.  Returns the bytes seen. */
static uint64_t drain(uint64_t *tails, uint64_t *n_events)
{
	uint64_t bytes = 0, frames[3], word;
	struct abi_event out[64];
	struct module_info m;
	char path[16];

	for (uint32_t l = 0; l < r.geo.lanes; l++) {
		int64_t n = lane_copy(&r, l, &tails[l], out, 64);

		must(n >= 0, "impossible head");
		for (int64_t i = 0; i < n; i++) {
			must(stack_read(&r, out[i].stack, frames, 3, &word) == 3, "an event before its stack");
			must(frames[1] == 7 * (frames[0] - 1) && frames[2] == 99, "a torn stack");
			bytes += out[i].size;
		}
		*n_events += (uint64_t)n;
		lane_release(&r, l, tails[l]);
	}
	for (uint32_t i = 0; i < module_count(&r); i++)
		must(module_read(&r, i, &m, path, sizeof(path)) >= 0, "a torn module");
	return bytes;
}

static void spilled(uint64_t *n, uint64_t *bytes)
{
	struct spill_sums s;
	uint32_t proc, stack;

	*n = *bytes = 0;
	for (uint32_t i = 0; i < r.geo.spill_slots; i++)
		if (spill_read(&r, i, &proc, &stack, &s)) {
			*n += s.alloc.events;
			*bytes += s.alloc.bytes >> WEIGHT_BYTES_SHIFT;
		}
}

int main(void)
{
	const struct abi_geometry geo = { 3, 64, 1, 1024, 65536, 1024, 64, 4096 };
	uint64_t tails[3] = { 0 }, n = 0, bytes = 0, sn = 0, sbytes = 0, quiet = 0;
	struct abi_header h;
	pthread_t threads[WRITERS];
	void *memory;

	must(abi_header_init(&h, &geo), "geometry");
	memory = calloc(1, h.region_size + ABI_PAGE);
	must(memory != NULL, "memory");
	abi_region_map(&r, (void *)(((uintptr_t)memory + ABI_PAGE - 1) & ~(uintptr_t)(ABI_PAGE - 1)), &h);
	store_relaxed(&r.cursors->words, 1);
	for (uintptr_t i = 0; i < WRITERS; i++)
		must(pthread_create(&threads[i], NULL, writer, (void *)i) == 0, "pthread_create");
	while (n + sn < (uint64_t)WRITERS * EVENTS || quiet++ < 2) {
		bytes += drain(tails, &n);
		spilled(&sn, &sbytes);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	spilled(&sn, &sbytes);
	must(n + sn == (uint64_t)WRITERS * EVENTS, "events lost or doubled");
	must(bytes + sbytes == (uint64_t)WRITERS * EVENTS * (EVENTS - 1) / 2, "bytes lost or doubled");
	printf("race_tables: %lu events through lanes, %lu through spill counters\n", n, sn);
	free(memory);
	return 0;
}
