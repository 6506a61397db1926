/* tests/unit/test_books.c - buckets, totals and the lazy peak against a model that does everything the slow way. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/books.h"
#include "common/weight.h"

#define STACKS 40
#define SLOTS 64

struct model_values {
	uint64_t allocs, frees;
	int64_t count, bytes, alloc_count, alloc_bytes;
	int64_t peak_count, peak_bytes;
	i128 var_bytes, peak_var_bytes;
};

/* Copies every stack's in-use at each new peak. */
struct model {
	struct model_values stacks[STACKS], total;
	uint64_t peak_time;
};

static void model_change(struct model_values *v, const struct abi_event *e)
{
	struct weight w = weight_of(e->size, e->rate);
	int64_t sign = e->kind == ABI_EVENT_FREE ? -1 : 1;

	v->count += sign * (int64_t)w.count;
	v->bytes += sign * (int64_t)w.bytes;
	v->var_bytes += sign * (i128)w.var_bytes;
	v->allocs += e->kind == ABI_EVENT_ALLOC;
	v->frees += e->kind == ABI_EVENT_FREE;
	v->alloc_count += e->kind == ABI_EVENT_ALLOC ? (int64_t)w.count : 0;
	v->alloc_bytes += e->kind == ABI_EVENT_ALLOC ? (int64_t)w.bytes : 0;
}

static void model_event(struct model *m, const struct abi_event *e, uint64_t time)
{
	model_change(&m->stacks[e->stack], e);
	model_change(&m->total, e);
	if (m->total.bytes <= m->total.peak_bytes)
		return;
	m->peak_time = time;
	m->total.peak_count = m->total.count;
	m->total.peak_bytes = m->total.bytes;
	m->total.peak_var_bytes = m->total.var_bytes;
	for (int i = 0; i < STACKS; i++) {
		m->stacks[i].peak_count = m->stacks[i].count;
		m->stacks[i].peak_bytes = m->stacks[i].bytes;
		m->stacks[i].peak_var_bytes = m->stacks[i].var_bytes;
	}
}

static void assert_same(const struct snapshot_values *v, const struct model_values *m, const char *what, int i)
{
	cr_assert_eq(v->allocs, m->allocs, "%s %d", what, i);
	cr_assert_eq(v->frees, m->frees, "%s %d", what, i);
	cr_assert_eq((int64_t)v->alloc_count, m->alloc_count, "%s %d", what, i);
	cr_assert_eq((int64_t)v->alloc_bytes, m->alloc_bytes, "%s %d", what, i);
	cr_assert_eq((int64_t)(v->alloc_count - v->free_count), m->count, "%s %d", what, i);
	cr_assert_eq((int64_t)(v->alloc_bytes - v->free_bytes), m->bytes, "%s %d", what, i);
	cr_assert_eq(v->peak_count, m->peak_count > 0 ? (uint64_t)m->peak_count : 0, "%s %d", what, i);
	cr_assert_eq(v->peak_bytes, m->peak_bytes > 0 ? (uint64_t)m->peak_bytes : 0, "%s %d", what, i);
	cr_assert_eq(v->var_inuse_bytes, m->var_bytes > 0 ? (double)m->var_bytes : 0, "%s %d", what, i);
	cr_assert_eq(v->var_peak_bytes, m->peak_var_bytes > 0 ? (double)m->peak_var_bytes : 0, "%s %d", what, i);
}

static struct bucket *bucket(struct books *b, uint32_t id)
{
	const uint64_t frames[] = { 0x1000 + id, 0x2000 };
	struct bucket *k = books_find(b, id);

	return k ? k : books_add_stack(b, id, frames, 2, ABI_STACK_WORD(2, 0, 0));
}

static void compare(struct books *b, const struct model *m)
{
	struct snapshot_values v;

	books_total(b, &v);
	assert_same(&v, &m->total, "total", 0);
	cr_assert_eq(b->peak_elapsed_ns, m->peak_time);
	for (int i = 0; i < STACKS; i++) {
		books_values(b, bucket(b, (uint32_t)i), &v);
		assert_same(&v, &m->stacks[i], "stack", i);
	}
}

/* What a spill entry holds after one event. */
static struct spill_sums spilled(const struct abi_event *e)
{
	struct weight w = weight_of(e->size, e->rate);

	const struct spill_kind one = { 1, w.count, w.bytes, w.var_count, w.var_bytes };

	if (e->kind == ABI_EVENT_FREE)
		return (struct spill_sums){ .freed = one };
	if (e->kind == ABI_EVENT_INHERITED)
		return (struct spill_sums){ .inherited = one };
	return (struct spill_sums){ .alloc = one };
}

static struct abi_event random_event(unsigned *seed, struct abi_event *live, int *n_live)
{
	static const uint32_t rates[] = { 1, 4096, 512 * 1024 };
	struct abi_event e = { .kind = ABI_EVENT_ALLOC };
	int at;

	/* Mostly grows for a while, then mostly shrinks: many peaks of all sizes. */
	if (*n_live && (*n_live == 4000 || rand_r(seed) % 1000 < (rand_r(seed) % 4 ? 400 : 800))) {
		at = rand_r(seed) % *n_live;
		e = live[at];
		live[at] = live[--*n_live];
		e.kind = ABI_EVENT_FREE;
		return e;
	}
	e.stack = (uint32_t)rand_r(seed) % STACKS;
	e.size = (uint64_t)rand_r(seed) >> rand_r(seed) % 31;
	e.rate = rates[rand_r(seed) % 3];
	e.kind = rand_r(seed) % 50 ? ABI_EVENT_ALLOC : ABI_EVENT_INHERITED;
	live[(*n_live)++] = e;
	return e;
}

Test(books, equals_a_model_that_copies_everything_at_each_peak)
{
	static struct abi_event live[4000];

	for (unsigned run = 1; run <= 20; run++) {
		struct model m = { 0 };
		struct books b;
		unsigned seed = run;
		int n_live = 0;

		cr_assert_eq(books_init(&b, SLOTS), 0);
		for (uint64_t t = 1; t <= 5000; t++) {
			struct abi_event e = random_event(&seed, live, &n_live);
			struct spill_sums s = spilled(&e);

			model_event(&m, &e, t);
			if (rand_r(&seed) % 10 == 0)
				books_spill(&b, bucket(&b, e.stack), &s, t);
			else
				books_event(&b, bucket(&b, e.stack), &e, t);
			if (rand_r(&seed) % 500 == 0)
				compare(&b, &m);
		}
		compare(&b, &m);
		books_done(&b);
	}
}

Test(books, everything_freed_leaves_exactly_nothing)
{
	static struct abi_event events[3000];
	struct snapshot_values v;
	struct books b;
	unsigned seed = 7;
	int n = 0;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	while (n < 3000) {
		struct abi_event *e = &events[n++];

		*e = (struct abi_event){ .kind = ABI_EVENT_ALLOC,
					 .size = (uint64_t)rand_r(&seed) >> rand_r(&seed) % 31,
					 .rate = 1u << rand_r(&seed) % 31,
					 .stack = (uint32_t)rand_r(&seed) % STACKS };
		books_event(&b, bucket(&b, e->stack), e, 0);
	}
	books_total(&b, &v);
	cr_assert_gt(v.var_inuse_bytes, 0);
	cr_assert_eq(v.var_inuse_bytes, v.var_alloc_bytes);
	while (n) {
		struct abi_event *e = &events[--n];

		e->kind = ABI_EVENT_FREE;
		books_event(&b, bucket(&b, e->stack), e, 0);
	}
	books_total(&b, &v);
	cr_assert_eq(v.alloc_count, v.free_count);
	cr_assert_eq(v.alloc_bytes, v.free_bytes);
	cr_assert_eq(v.var_inuse_count, 0);
	cr_assert_eq(v.var_inuse_bytes, 0);
	cr_assert_gt(v.var_alloc_bytes, 0);
	books_done(&b);
}

/* One stream in a random order, events given any number of times: sums that no honest program has, and nothing
 * else than those; what would be below zero is no peak and no error. */
Test(books, events_in_any_order_and_repeated_come_to_the_models_sums)
{
	static struct abi_event live[4000], events[3000];

	for (unsigned run = 1; run <= 20; run++) {
		struct model m = { 0 };
		struct books b;
		unsigned seed = 1000 + run;
		int n_live = 0;

		cr_assert_eq(books_init(&b, SLOTS), 0);
		for (size_t i = 0; i < ARRAY_SIZE(events); i++)
			events[i] = random_event(&seed, live, &n_live);
		for (uint64_t t = 1; t <= 4000; t++) {
			/* By luck twice, by luck never, seldom where it belongs. */
			struct abi_event e = events[(size_t)rand_r(&seed) % ARRAY_SIZE(events)];

			e.kind = rand_r(&seed) % 8 ? e.kind : ABI_EVENT_FREE;
			model_event(&m, &e, t);
			books_event(&b, bucket(&b, e.stack), &e, t);
			if (rand_r(&seed) % 300 == 0)
				compare(&b, &m);
		}
		compare(&b, &m);
		books_done(&b);
	}
}

/* A free may be drained before its alloc: below zero for a moment, right afterwards, and never a peak. */
Test(books, free_before_its_alloc_comes_out_even)
{
	struct abi_event a = { .kind = ABI_EVENT_ALLOC, .size = 1000, .rate = 1, .stack = 1 }, f = a;
	struct snapshot_values v;
	struct books b;

	f.kind = ABI_EVENT_FREE;
	cr_assert_eq(books_init(&b, SLOTS), 0);
	books_event(&b, bucket(&b, 1), &f, 1);
	books_total(&b, &v);
	cr_assert_eq((int64_t)(v.alloc_bytes - v.free_bytes), -256000);
	cr_assert_eq(v.peak_bytes, 0);
	books_event(&b, bucket(&b, 1), &a, 2);
	books_total(&b, &v);
	cr_assert_eq(v.alloc_bytes, v.free_bytes);
	cr_assert_eq(v.peak_bytes, 0);
	books_done(&b);
}

/* The same of one stack while another one makes the peak: that reads as nothing, not as 64 petabytes. */
Test(books, a_stack_below_zero_at_the_peak_had_nothing_in_use)
{
	struct abi_event f = { .kind = ABI_EVENT_FREE, .size = 1000, .rate = 1, .stack = 1 };
	struct abi_event a = { .kind = ABI_EVENT_ALLOC, .size = 5000, .rate = 1, .stack = 2 };
	struct snapshot_values v;
	struct books b;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	books_event(&b, bucket(&b, 1), &f, 1);
	books_event(&b, bucket(&b, 2), &a, 2);
	books_values(&b, bucket(&b, 1), &v);
	cr_assert_eq(v.peak_count, 0);
	cr_assert_eq(v.peak_bytes, 0);
	books_values(&b, bucket(&b, 2), &v);
	cr_assert_eq(v.peak_count, 1 << 16);
	cr_assert_eq(v.peak_bytes, 5000 << 8);
	books_done(&b);
}

Test(books, variance_has_the_units_a_snapshot_promises)
{
	struct abi_event e = { .kind = ABI_EVENT_ALLOC, .size = 1000, .rate = 512 * 1024, .stack = 1 };
	const double p = 1000 / 524288.0; /* p to first order; its square is below the tolerance */
	struct snapshot_values v;
	struct books b;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	books_event(&b, bucket(&b, 1), &e, 1);
	books_total(&b, &v);
	cr_assert_float_eq(v.var_alloc_count * p * p, 1, 0.01);
	cr_assert_float_eq(v.var_alloc_bytes * p * p / 1e6, 1, 0.01);
	books_done(&b);
}

Test(books, stacks_keep_their_frames_and_flags)
{
	struct books b;

	cr_assert_eq(books_init(&b, 1 << 16), 0);
	for (uint32_t id = 1; id < 1 << 16; id++) {
		uint64_t frames[7];

		for (uint32_t i = 0; i < id % 8; i++)
			frames[i] = (uint64_t)id << 8 | i;
		books_add_stack(&b, id, frames, id % 8, ABI_STACK_WORD(id % 8, id % 5, id));
	}
	for (uint32_t id = 1; id < 1 << 16; id++) {
		const struct bucket *k = books_find(&b, id);

		cr_assert_eq(k->n_frames, id % 8);
		cr_assert_eq(k->flags, id % 5);
		cr_assert_eq(k->epoch, id);
		for (uint32_t i = 0; i < id % 8; i++)
			cr_assert_eq(b.words[k->frames + i], (uint64_t)id << 8 | i);
	}
	books_done(&b);
}

Test(books, unnamed_stacks_have_no_bucket)
{
	struct books b;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	cr_assert_not_null(books_find(&b, 0), "id 0 is always there");
	cr_assert_null(books_find(&b, 1));
	cr_assert_null(books_find(&b, SLOTS - 1));
	books_done(&b);
}
