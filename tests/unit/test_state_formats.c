/* tests/unit/test_state_formats.c - a state that another version of the collector wrote: older, newer, too new.
 *
 * Other versions are made by rewriting a state of ours: structs that are longer or shorter, parts and records that
 * nobody knows. */
#include "collectord/live/parts.h"
#include "tests/unit/recover_fixture.h"

enum { MORE = 24, UNKNOWN = 99, MAX_CHECKPOINT = 1 << 20 };

struct part {
	uint32_t kind, item;
	uint64_t size;
};

struct writer {
	uint8_t *bytes;
	size_t n;
};

static void add(struct writer *w, const void *p, size_t n)
{
	cr_assert_leq(w->n + n, MAX_CHECKPOINT);
	if (p)
		memcpy(w->bytes + w->n, p, n);
	else
		memset(w->bytes + w->n, 0xaa, n);
	w->n += n;
}

static void fill(struct writer *w)
{
	add(w, "\0\0\0\0\0\0\0", -w->n & 7);
}

static bool is_array(uint32_t kind)
{
	return kind == PART_THREADS || kind == PART_SEEN || kind == PART_WORDS || kind == PART_POINTS ||
	       kind == PART_SHARED;
}

/* What a version writes that knows more: longer structs, data behind them, parts between them. */
static void add_longer(struct writer *w, const struct part *p, const uint8_t *at, uint32_t unknown)
{
	const struct part strange = { unknown, 8, 13 };
	struct part longer = { p->kind, p->item + MORE, 0 };
	uint64_t n = is_array(p->kind) ? p->size / p->item : 1;
	uint64_t rest = is_array(p->kind) ? 0 : p->size - p->item;

	add(w, &strange, sizeof(strange));
	add(w, NULL, strange.size);
	fill(w);
	longer.size = n * longer.item + rest + (is_array(p->kind) ? 0 : MORE);
	add(w, &longer, sizeof(longer));
	for (uint64_t i = 0; i < n; i++) {
		add(w, at + i * p->item, p->item);
		add(w, NULL, MORE);
	}
	add(w, at + n * p->item, rest);
	add(w, NULL, is_array(p->kind) ? 0 : MORE);
	fill(w);
}

static void write_checkpoint(int fd, struct head *h, const struct writer *w)
{
	cr_assert_eq(pwrite(fd, w->bytes, w->n, (off_t)area_at(h)), (ssize_t)w->n);
	h->areas[h->generation & 1].size = w->n;
	h->formats[h->generation & 1] = STATE_MAJOR << 16 | 7;
	make_sum_right(fd, h);
}

/* Each part of the newest checkpoint once more, as `add_part` has it. */
static void rewrite_parts(int fd, void (*add_part)(struct writer *w, const struct part *p, const uint8_t *at))
{
	struct writer w = { malloc(MAX_CHECKPOINT), 0 };
	struct part p;
	uint8_t *bytes;
	struct head h;
	size_t size;

	cr_assert_eq(pread(fd, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	size = h.areas[h.generation & 1].size;
	bytes = malloc(size);
	cr_assert_eq(pread(fd, bytes, size, (off_t)area_at(&h)), (ssize_t)size);
	for (size_t at = 0; at < size; at += sizeof(p) + p.size + (-p.size & 7)) {
		memcpy(&p, bytes + at, sizeof(p));
		add_part(&w, &p, bytes + at + sizeof(p));
	}
	write_checkpoint(fd, &h, &w);
	free(bytes);
	free(w.bytes);
}

static void add_newer(struct writer *w, const struct part *p, const uint8_t *at)
{
	add_longer(w, p, at, UNKNOWN);
}

static void add_vital(struct writer *w, const struct part *p, const uint8_t *at)
{
	add_longer(w, p, at, p->kind == PART_DRAIN ? UNKNOWN | STATE_VITAL : UNKNOWN);
}

/* One that did not know of a process's last field, its newest snapshot. */
static void add_older(struct writer *w, const struct part *p, const uint8_t *at)
{
	struct part shorter = *p;

	if (p->kind == PART_PROCESS)
		shorter.item = (uint32_t)(shorter.size -= sizeof(((struct saver *)0)->last));
	add(w, &shorter, sizeof(shorter));
	add(w, at, shorter.size);
	fill(w);
}

/* Records, too: longer structs, and some that nobody knows. */
static void rewrite_log(int fd, uint32_t unknown)
{
	struct writer w = { malloc(MAX_CHECKPOINT), 0 };
	const struct record strange = { unknown, 16 };
	struct record r;
	uint8_t *log;
	struct head h;
	size_t used;

	cr_assert_eq(pread(fd, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	used = h.committed & 0xffffffff;
	cr_assert_gt(used, 0);
	log = malloc(used);
	cr_assert_eq(pread(fd, log, used, PAGE), (ssize_t)used);
	for (size_t at = 0; at < used; at += sizeof(r) + r.size) {
		uint32_t old;

		memcpy(&r, log + at, sizeof(r));
		old = r.size;
		r.size += r.kind == RECORD_EVENTS || r.kind == RECORD_TAILS || r.kind == RECORD_THREADS ? 0 : MORE;
		add(&w, &strange, sizeof(strange));
		add(&w, NULL, strange.size);
		add(&w, &r, sizeof(r));
		add(&w, log + at + sizeof(r), old);
		add(&w, NULL, r.size - old);
		r.size = old;
	}
	cr_assert_eq(pwrite(fd, w.bytes, w.n, PAGE), (ssize_t)w.n);
	h.committed = (h.committed >> 40 << 40) + w.n;
	cr_assert_eq(pwrite(fd, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	free(log);
	free(w.bytes);
}

/* Three events, in the checkpoint or in the log. */
static void start_drained(struct bench *b, struct fake *p, bool in_checkpoint)
{
	start(b, p);
	collector_drain_all(b->c);
	if (in_checkpoint)
		cr_assert_eq(session_checkpoint(LIST_FIRST(&b->c->sessions)), 0);
}

Test(state_formats, longer_parts_and_unknown_ones_are_skipped, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start_drained(&b, &p, true);
	rewrite_parts(shelf.kept[1].fd, add_newer);
	next_collector(&b);
	cr_expect_str_eq(shelf.word, "went on with 1 session of the collector before");
	end(&b, &p);
}

Test(state_formats, fields_that_are_missing_are_0, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start_drained(&b, &p, true);
	rewrite_parts(shelf.kept[1].fd, add_older);
	next_collector(&b);
	end(&b, &p);
}

Test(state_formats, longer_records_and_unknown_ones_are_skipped, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start_drained(&b, &p, false);
	session_change(LIST_FIRST(&b.c->sessions), 1, 99, false);
	rewrite_log(shelf.kept[1].fd, UNKNOWN);
	next_collector(&b);
	cr_expect_eq(((struct session *)LIST_FIRST(&b.c->sessions))->max_depth, 99);
	end(&b, &p);
}

static void expect_refused(struct bench *b, struct fake *p)
{
	next_collector(b);
	cr_expect(strstr(shelf.word, "another version of the collector wrote its state"), "%s", shelf.word);
	cr_expect_eq(collector_pending(b->c), 0);
	cr_expect_eq(shelf.forgotten, 1);
	fake_kill(p);
	bench_stop(b);
}

Test(state_formats, unknown_parts_that_are_vital_are_refused, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start_drained(&b, &p, true);
	rewrite_parts(shelf.kept[1].fd, add_vital);
	expect_refused(&b, &p);
}

Test(state_formats, unknown_records_that_are_vital_are_refused, .timeout = 60)
{
	struct bench b;
	struct fake p;

	start_drained(&b, &p, false);
	rewrite_log(shelf.kept[1].fd, UNKNOWN | STATE_VITAL);
	expect_refused(&b, &p);
}

Test(state_formats, another_major_is_refused_in_its_header_and_in_its_area, .timeout = 60)
{
	struct bench b;
	struct fake p;
	struct head h;

	start_drained(&b, &p, true);
	cr_assert_eq(pread(shelf.kept[1].fd, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	h.formats[h.generation & 1] = (STATE_MAJOR + 1) << 16;
	cr_assert_eq(pwrite(shelf.kept[1].fd, &h, sizeof(h), 0), (ssize_t)sizeof(h));
	expect_refused(&b, &p);
}
