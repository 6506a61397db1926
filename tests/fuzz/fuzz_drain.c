/* tests/fuzz/fuzz_drain.c - a region that a hostile program writes what it likes into: lanes, spill counters,
 * stacks, modules, process entries.
 *
 * The input is a script: stores into the region, and passes of the collector over it in between.  Whatever it does,
 * the books stay within the region's own bounds and every table can be read to its end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/drain.h"
#include "collectord/live/region.h"
#include "common/modtab.h"
#include "common/proctab.h"
#include "common/stacktab.h"

#define PROCS 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct abi_geometry geometry = { .lanes = 2,
					      .lane_events = 16,
					      .procs = PROCS,
					      .stack_slots = 64,
					      .stack_words = 256,
					      .spill_slots = 16,
					      .modules = 4,
					      .strings = 64 };

static struct shared_region region;
static struct drain_scratch scratch;
static struct ledger ledgers[PROCS];

struct script {
	const uint8_t *at;
	size_t left;
};

static uint64_t take(struct script *s, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++) {
		v = v << 8 | (s->left ? *s->at : 0);
		s->at += s->left > 0;
		s->left -= s->left > 0;
	}
	return v;
}

static struct ledger *ledger_of(void *arg, uint32_t ordinal, bool *ret_begun)
{
	(void)arg;
	if (ordinal >= PROCS)
		abort();
	if (ret_begun)
		*ret_begun = false;
	return &ledgers[ordinal];
}

/* A well-formed event now and then: what follows a check must be reached, too. */
static void put_event(struct script *s)
{
	struct abi_event e = { .kind = (uint8_t)(take(s, 1) & 3),
			       .proc = (uint16_t)(take(s, 1) & 7),
			       .stack = (uint32_t)take(s, 1),
			       .rate = (uint32_t)take(s, 2),
			       .size = take(s, 3),
			       .time_ns = take(s, 2),
			       .flags = (uint8_t)(take(s, 1) & 3) };
	uint32_t lane = (uint32_t)take(s, 1) & 1;
	uint64_t head = load_relaxed(&region.map.lanes[lane].head);

	region.map.events[lane * geometry.lane_events + head % geometry.lane_events] = e;
	store_release(&region.map.lanes[lane].head, head + 1);
}

static void put_stack(struct script *s)
{
	uint64_t frames[8];
	uint32_t n = (uint32_t)take(s, 1) % 8 + 1;

	for (uint32_t i = 0; i < n; i++)
		frames[i] = take(s, 2);
	stack_intern(&region.map, frames, n, 0, 0, stack_hash(frames, n, 0, 0));
}

/* Anything, anywhere behind the page that the collector alone writes. */
static void scribble(struct script *s)
{
	uint64_t at = ABI_PAGE + take(s, 3) % (region.size - ABI_PAGE), n = take(s, 1) % 17;

	for (uint64_t i = 0; i < n && at + i < region.size; i++)
		((uint8_t *)region.base)[at + i] = (uint8_t)take(s, 1);
}

static void read_tables(void)
{
	char path[128];
	struct module_info m;
	struct proc_info p;
	uint64_t word;

	for (uint32_t i = 0; i < module_count(&region.map); i++)
		if (module_read(&region.map, i, &m, path, sizeof(path)) == 1 &&
		    (strnlen(path, sizeof(path)) == sizeof(path) || m.build_id_len > ABI_BUILD_ID_MAX))
			abort();
	for (uint32_t i = 0; i < PROCS; i++)
		proc_read(&region.map, i, i & 1, &p);
	for (uint32_t i = 0; i < geometry.stack_slots; i++)
		stack_read(&region.map, i, scratch.frames, ABI_MAX_DEPTH, &word);
}

static void check_books(void)
{
	struct snapshot_values v;

	for (uint32_t i = 0; i < PROCS; i++) {
		const struct books *b = &ledgers[i].books;

		if (b->n_words > geometry.stack_words || b->n_buckets > geometry.stack_slots)
			abort();
		books_total(b, &v);
		for (uint32_t k = 0; k < b->n_buckets; k++)
			books_values(b, &b->buckets[k], &v);
	}
}

static void run(struct drain *d, struct script *s)
{
	struct drain_result res;
	uint64_t now = 0;

	while (s->left) {
		now += take(s, 1) * 1000000;
		switch (take(s, 1) % 8) {
		case 0:
			drain_pass(d, now, &res);
			break;
		case 1:
			drain_all(d, now);
			break;
		case 2:
			drain_spill(d, now);
			break;
		case 3:
			ledgers[take(s, 1) % PROCS].is_closing = true;
			break;
		case 4:
			put_stack(s);
			break;
		case 5:
			scribble(s);
			break;
		default:
			put_event(s);
		}
	}
	drain_all(d, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { data, size };
	struct drain d;

	if (!region.base && region_create(&geometry, 1, 0, 1, 127, &region))
		abort();
	memset((char *)region.base + ABI_PAGE, 0, region.size - ABI_PAGE);
	store_relaxed(&region.map.cursors->words, 1);
	memset(ledgers, 0, sizeof(ledgers));
	for (uint32_t i = 0; i < PROCS; i++)
		if (books_init(&ledgers[i].books, geometry.stack_slots))
			abort();
	drain_init(&d, &region.map, region.memfd, &scratch, ledger_of, NULL);
	run(&d, &s);
	read_tables();
	check_books();
	drain_done(&d);
	for (uint32_t i = 0; i < PROCS; i++)
		books_done(&ledgers[i].books);
	return 0;
}
