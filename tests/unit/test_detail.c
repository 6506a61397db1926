/* tests/unit/test_detail.c - histograms, temporaries and ages of a stack against a model that keeps every object.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/books.h"

#define STACKS 6
#define SLOTS 256
#define OBJECTS 500
#define MS 1000000ull

struct object {
	struct abi_event e;
	uint32_t stack;
};

struct model {
	struct object live[OBJECTS];
	int n_live;
	uint64_t lifetimes[STACKS][LIFETIME_CLASSES], sizes[STACKS][SIZE_CLASSES][SIZE_COLUMNS];
	uint64_t temporary[STACKS], temporary_bytes[STACKS];
};

/* The class by its definition: count how often the value halves. */
static unsigned class_of(uint64_t v, unsigned n)
{
	unsigned c = 0;

	for (; v && c < n - 1; v /= 2)
		c++;
	return c;
}

static struct bucket *bucket(struct books *b, uint32_t id)
{
	const uint64_t frames[] = { 0x1000 + id };
	struct bucket *k = books_find(b, id);

	return k ? k : books_add_stack(b, id, frames, 1, ABI_STACK_WORD(1, 0, 0));
}

static struct abi_event model_alloc(struct model *m, uint64_t now, unsigned *seed)
{
	static const uint32_t rates[] = { 1, 4096, 512 * 1024 };
	uint32_t stack = (uint32_t)rand_r(seed) % STACKS;
	uint64_t size = (uint64_t)rand_r(seed) << (rand_r(seed) % 33) >> rand_r(seed) % 40;
	struct abi_event e = { .kind = rand_r(seed) % 20 ? ABI_EVENT_ALLOC : ABI_EVENT_INHERITED,
			       .size = size < 1ull << 56 ? size : 1ull << 56,
			       .rate = rates[rand_r(seed) % 3],
			       .stack = stack,
			       .time_ns = now,
			       .born_ns = now };
	struct weight w;

	if (e.kind == ABI_EVENT_INHERITED)
		e.born_ns = now / 2;
	w = weight_of(e.size, e.rate);
	m->live[m->n_live++] = (struct object){ e, stack };
	m->sizes[stack][class_of(e.size, SIZE_CLASSES)][SIZE_ALLOCATED] += e.kind == ABI_EVENT_ALLOC ? w.count : 0;
	m->sizes[stack][class_of(e.size, SIZE_CLASSES)][SIZE_IN_USE] += w.count;
	return e;
}

static struct abi_event model_free(struct model *m, uint64_t now, unsigned *seed)
{
	int at = rand_r(seed) % m->n_live;
	struct object o = m->live[at];
	struct weight w = weight_of(o.e.size, o.e.rate);
	uint64_t age = now - o.e.born_ns;

	m->live[at] = m->live[--m->n_live];
	o.e.kind = ABI_EVENT_FREE;
	o.e.time_ns = now;
	o.e.flags = rand_r(seed) % 4 ? (uint8_t)~ABI_EVENT_TEMPORARY : ABI_EVENT_TEMPORARY;
	m->lifetimes[o.stack][class_of(age / MS, LIFETIME_CLASSES)] += w.count;
	m->sizes[o.stack][class_of(o.e.size, SIZE_CLASSES)][SIZE_IN_USE] -= w.count;
	m->temporary[o.stack] += o.e.flags & ABI_EVENT_TEMPORARY ? w.count : 0;
	m->temporary_bytes[o.stack] += o.e.flags & ABI_EVENT_TEMPORARY ? w.bytes : 0;
	return o.e;
}

static uint64_t model_age(const struct model *m, uint32_t stack, uint64_t now)
{
	u128 births = 0;
	uint64_t count = 0;

	for (int i = 0; i < m->n_live; i++)
		if (m->live[i].stack == stack) {
			struct weight w = weight_of(m->live[i].e.size, m->live[i].e.rate);

			births += (u128)w.count * m->live[i].e.born_ns;
			count += w.count;
		}
	return count ? now - (uint64_t)(births / count) : 0;
}

static void check_cells(const struct histogram *h, const uint64_t *full, unsigned n, unsigned columns)
{
	for (unsigned c = 0; c < n; c++)
		for (unsigned k = 0; k < columns; k++) {
			bool there = h->classes >> c & 1;
			uint64_t v = there ? h->cells[histogram_place(h, c) * columns + k] : 0;

			cr_assert_eq(v, full[c * columns + k], "class %u column %u", c, k);
		}
	cr_assert_eq(h->classes >> (n - 1) >> 1, 0, "no class beyond the last");
}

static void check(struct books *b, const struct model *m, uint64_t now)
{
	for (uint32_t i = 0; i < STACKS; i++) {
		struct snapshot_detail d;

		books_detail(bucket(b, i), now, &d);
		check_cells(&d.lifetimes, m->lifetimes[i], LIFETIME_CLASSES, LIFETIME_COLUMNS);
		check_cells(&d.sizes, m->sizes[i][0], SIZE_CLASSES, SIZE_COLUMNS);
		cr_assert_eq(d.temporary_count, m->temporary[i]);
		cr_assert_eq(d.temporary_bytes, m->temporary_bytes[i]);
		cr_assert_eq(d.age_ns, model_age(m, i, now), "stack %u", i);
		cr_assert_eq(d.undated, 0);
	}
}

Test(detail, equals_a_model_that_keeps_every_object)
{
	static struct model m;

	for (unsigned seed = 1; seed <= 30; seed++) {
		unsigned state = seed;
		uint64_t now = 1;
		struct books b;

		memset(&m, 0, sizeof(m));
		cr_assert_eq(books_init(&b, SLOTS), 0);
		for (int i = 0; i < 3000; i++) {
			bool alloc = !m.n_live || (m.n_live < OBJECTS && rand_r(&state) % 100 < 51);
			struct abi_event e = alloc ? model_alloc(&m, now, &state) : model_free(&m, now, &state);

			books_event(&b, bucket(&b, e.stack), &e, now);
			now += rand_r(&state) % 3
				       ? 0
				       : ((uint64_t)rand_r(&state) << rand_r(&state) % 20) % (1ull << 50);
			if (i % 300 == 0)
				check(&b, &m, now);
		}
		check(&b, &m, now);
		books_done(&b);
	}
}

/* A free may be entered before its alloc, and its clock be a tick behind. */
Test(detail, order_does_not_matter_to_what_is_left)
{
	struct abi_event a = { .kind = ABI_EVENT_ALLOC,
			       .size = 100,
			       .rate = 1,
			       .stack = 1,
			       .time_ns = 9 * MS,
			       .born_ns = 9 * MS },
			 f = a;
	struct snapshot_detail d;
	struct books b;

	f.kind = ABI_EVENT_FREE;
	f.time_ns = 5 * MS;
	cr_assert_eq(books_init(&b, SLOTS), 0);
	books_event(&b, bucket(&b, 1), &f, f.time_ns);
	books_detail(bucket(&b, 1), 10 * MS, &d);
	cr_assert_eq(d.age_ns, 0, "nothing is in use");
	books_event(&b, bucket(&b, 1), &a, a.time_ns);
	books_detail(bucket(&b, 1), 10 * MS, &d);
	cr_assert_eq(d.age_ns, 0);
	cr_assert_eq(d.lifetimes.classes, 1, "a life of less than nothing counts as the shortest");
	cr_assert_eq(histogram_total(&d.sizes, SIZE_COLUMNS, SIZE_IN_USE), 0);
	cr_assert(bucket(&b, 1)->detail.births == 0);
	books_done(&b);
}

static void spill(struct books *b, uint32_t stack, uint8_t kind, uint64_t size, uint32_t rate, uint64_t n,
		  uint64_t now)
{
	struct weight w = weight_of(size, rate);
	const struct spill_kind k = { n, n * w.count, n * w.bytes, n * w.var_count, n * w.var_bytes };
	struct spill_sums gain = { 0 };

	*(kind == ABI_EVENT_FREE ? &gain.freed : kind == ABI_EVENT_ALLOC ? &gain.alloc : &gain.inherited) = k;
	books_spill(b, bucket(b, stack), &gain, now);
}

static void check_spilled_size(uint64_t size, uint32_t rate)
{
	const uint64_t count = weight_of(size, rate).count;
	struct snapshot_detail d;
	struct books b;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	spill(&b, 1, ABI_EVENT_ALLOC, size, rate, 3, MS);
	spill(&b, 1, ABI_EVENT_INHERITED, size, rate, 2, MS);
	spill(&b, 1, ABI_EVENT_FREE, size, rate, 5, MS);
	books_detail(bucket(&b, 1), 2 * MS, &d);
	cr_assert_eq(d.sizes.classes, 1ull << class_of(size, SIZE_CLASSES), "%lu", (unsigned long)size);
	cr_assert_eq(d.sizes.cells[SIZE_ALLOCATED], 3 * count);
	cr_assert_eq(d.sizes.cells[SIZE_IN_USE], 0);
	cr_assert_eq(d.lifetimes.classes, 0);
	cr_assert_eq(d.undated, 10);
	cr_assert_eq(d.age_ns, 0);
	books_done(&b);
}

/* Where a stack asks for one size, spilled events are found in its class, up to the precision of weights. */
Test(detail, spilled_events_of_one_size_keep_it)
{
	static const uint32_t rates[] = { 1, 512, 512 * 1024, 1u << 30 };

	for (size_t r = 0; r < ARRAY_SIZE(rates); r++) {
		check_spilled_size(0, rates[r]);
		for (unsigned c = 1; c < 40; c++) {
			check_spilled_size((1ull << c) - 1 - (1ull << c >> 15), rates[r]);
			check_spilled_size(1ull << c, rates[r]);
			check_spilled_size((1ull << c) + 1, rates[r]);
		}
	}
}

static struct abi_event event(uint8_t kind, uint64_t born, uint64_t now)
{
	return (struct abi_event){
		.kind = kind, .size = 10, .rate = 1, .stack = 1, .time_ns = now, .born_ns = born
	};
}

/* The books learn of spilled allocs when the counters are read: that is their birth.  Spilled frees take the mean.
 */
Test(detail, ages_survive_spills_as_well_as_can_be)
{
	struct abi_event e = event(ABI_EVENT_ALLOC, 100 * MS, 100 * MS);
	struct snapshot_detail d;
	struct books b;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	books_event(&b, bucket(&b, 1), &e, 100 * MS);
	spill(&b, 1, ABI_EVENT_ALLOC, 10, 1, 3, 500 * MS);
	books_detail(bucket(&b, 1), 600 * MS, &d);
	cr_assert_eq(d.age_ns, 200 * MS, "(500 + 3 * 100) / 4");
	spill(&b, 1, ABI_EVENT_FREE, 10, 1, 2, 600 * MS);
	books_detail(bucket(&b, 1), 600 * MS, &d);
	cr_assert_eq(d.age_ns, 200 * MS, "the mean stays");
	e = event(ABI_EVENT_FREE, 90 * MS, 600 * MS);
	books_event(&b, bucket(&b, 1), &e, 600 * MS);
	e = event(ABI_EVENT_FREE, 480 * MS, 600 * MS);
	books_event(&b, bucket(&b, 1), &e, 600 * MS);
	cr_assert(bucket(&b, 1)->detail.births == 0, "where nothing is left, nothing of the error is");
	e = event(ABI_EVENT_ALLOC, 700 * MS, 700 * MS);
	books_event(&b, bucket(&b, 1), &e, 700 * MS);
	books_detail(bucket(&b, 1), 1000 * MS, &d);
	cr_assert_eq(d.age_ns, 300 * MS);
	spill(&b, 1, ABI_EVENT_INHERITED, 10, 1, 1, 900 * MS);
	books_detail(bucket(&b, 1), 1000 * MS, &d);
	cr_assert_eq(d.age_ns, 200 * MS, "inherited objects cannot be older than they are known");
	books_done(&b);
}

/* A forked child hears of many objects at once; their frees say when they were really born. */
Test(detail, frees_of_inherited_objects_leave_the_age_of_the_others)
{
	struct snapshot_detail d;
	struct books b;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	spill(&b, 1, ABI_EVENT_INHERITED, 10, 1, 1000, 500 * MS);
	for (uint64_t i = 0; i < 999; i++) {
		struct abi_event e = event(ABI_EVENT_FREE, i, 600 * MS);

		books_event(&b, bucket(&b, 1), &e, 600 * MS);
	}
	books_detail(bucket(&b, 1), 700 * MS, &d);
	cr_assert_eq(d.age_ns, 200 * MS, "it is known since 500");
	cr_assert_eq(histogram_total(&d.lifetimes, LIFETIME_COLUMNS, 0), (uint64_t)999 << WEIGHT_COUNT_SHIFT,
		     "but lifetimes are the real ones");
	cr_assert_eq(d.lifetimes.classes, 1u << 10);
	books_done(&b);
}

/* Whatever comes by which way: sums of the histograms are those of the books, ages lie within the run. */
Test(detail, sums_agree_with_the_books_whichever_way_events_came)
{
	static struct model m;

	for (unsigned seed = 1; seed <= 20; seed++) {
		unsigned state = seed;
		struct books b;

		memset(&m, 0, sizeof(m));
		cr_assert_eq(books_init(&b, SLOTS), 0);
		for (uint64_t now = 1; now < 3000; now++) {
			bool alloc = !m.n_live || (m.n_live < OBJECTS && rand_r(&state) % 100 < 51);
			struct abi_event e = alloc ? model_alloc(&m, now, &state) : model_free(&m, now, &state);
			struct snapshot_detail d;
			struct snapshot_values v;

			if (rand_r(&state) % 3)
				books_event(&b, bucket(&b, e.stack), &e, now);
			else
				spill(&b, e.stack, e.kind, e.size, e.rate, 1, now);
			books_detail(bucket(&b, e.stack), now, &d);
			books_values(&b, bucket(&b, e.stack), &v);
			cr_assert_eq(histogram_total(&d.sizes, SIZE_COLUMNS, SIZE_ALLOCATED), v.alloc_count);
			cr_assert_eq(histogram_total(&d.sizes, SIZE_COLUMNS, SIZE_IN_USE),
				     v.alloc_count - v.free_count);
			cr_assert_leq(d.age_ns, now);
		}
		books_done(&b);
	}
}

/* Every size and lifetime there is, on every stack: no more than what the table of stacks allows for. */
Test(detail, a_flood_of_classes_takes_bounded_memory)
{
	const uint32_t slots = 32;
	struct snapshot_detail d;
	uint64_t cells = 0, missed = 0, events = 0;
	struct books b;

	cr_assert_eq(books_init(&b, slots), 0);
	for (uint32_t stack = 0; stack < slots; stack++)
		for (unsigned bit = 0; bit < 56; bit++, events++) {
			struct abi_event e = event(ABI_EVENT_FREE, 0, 1ull << bit);

			e.size = 1ull << bit;
			e.stack = stack;
			books_event(&b, bucket(&b, stack), &e, 0);
			if (bit % 2)
				spill(&b, stack, ABI_EVENT_ALLOC, 1ull << bit, 1, 1, 0);
		}
	for (uint32_t stack = 0; stack < slots; stack++) {
		books_detail(bucket(&b, stack), 0, &d);
		cells += histogram_used(&d.lifetimes) * LIFETIME_COLUMNS + histogram_used(&d.sizes) * SIZE_COLUMNS;
		missed += d.undated;
	}
	cr_assert_leq(cells, 16 * slots);
	cr_assert_geq(cells, 16 * slots - 1, "what is allowed is used");
	cr_assert_gt(missed, events / 2, "what found no place is counted");
	books_done(&b);
}

/* The peak is what the series saw as its highest, and its last point what is in use now. */
Test(detail, series_and_books_agree)
{
	static struct model m;
	unsigned state = 3;
	struct snapshot_values v;
	const struct snapshot_series *s;
	int64_t highest = 0;
	struct books b;

	cr_assert_eq(books_init(&b, SLOTS), 0);
	for (uint64_t i = 0; i < 20000; i++) {
		bool alloc = !m.n_live || (m.n_live < OBJECTS && rand_r(&state) % 100 < 51);
		struct abi_event e = alloc ? model_alloc(&m, i * MS, &state) : model_free(&m, i * MS, &state);

		if (rand_r(&state) % 3)
			books_event(&b, bucket(&b, e.stack), &e, i * MS);
		else
			spill(&b, e.stack, e.kind, e.size, e.rate, 1, i * MS);
	}
	books_total(&b, &v);
	s = &b.series.s;
	for (uint32_t i = 0; i < s->n_points; i++)
		highest = (int64_t)s->points[i].bytes_max > highest ? (int64_t)s->points[i].bytes_max : highest;
	cr_assert_eq((uint64_t)highest, v.peak_bytes);
	cr_assert_eq(s->points[s->n_points - 1].bytes_last, v.alloc_bytes - v.free_bytes);
	cr_assert_eq(s->points[s->n_points - 1].count_last, v.alloc_count - v.free_count);
	cr_assert_eq(s->points[s->n_points - 1].alloc_bytes, v.alloc_bytes);
	cr_assert_eq(s->points[s->n_points - 1].alloc_count, v.alloc_count);
	books_done(&b);
}
