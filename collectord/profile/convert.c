/* collectord/profile/convert.c - struct snapshot to struct profile; see convert.h.
 *
 * A frame's module is the one that was there in its stack's epoch (modules.h).  Stacks that name the same locations
 * (of the same thread, if they are by thread) become one sample, added up before anything is rounded. */
#include "collectord/profile/convert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/arena.h"
#include "collectord/profile/describe.h"
#include "collectord/profile/modules.h"
#include "common/weight.h"

/* Where a frame was last found to be: stacks share most of theirs. */
#define FRAMES_KNOWN 4096u /* 2^n */
struct known_frame {
	uint64_t frame;
	uint32_t epoch, location_plus_1; /* 0: nothing here */
};

struct converter {
	const struct snapshot *s;
	struct profile *p;
	struct modules modules;
	struct known_frame *known;    /* by hash */
	struct index samples;         /* by location list and thread */
	struct snapshot_values *sums; /* of each sample */
	uint32_t *tids;               /* of each sample; 0: of any thread */
	struct thread_label *threads; /* of each of s->threads, by tid */
};

struct thread_label {
	uint32_t tid;
	const char *name;
};

static uint32_t find_frame(struct converter *c, uint64_t frame, uint32_t epoch)
{
	uint64_t address = frame & ~ABI_FRAME_EXACT;

	if (!(frame & ABI_FRAME_EXACT) && address)
		address--;
	return profile_add_location(c->p, modules_find(&c->modules, address, epoch), address);
}

static uint32_t add_frame(struct converter *c, uint64_t frame, uint32_t epoch)
{
	struct known_frame *k = &c->known[hash_word(epoch, frame) >> 32 & (FRAMES_KNOWN - 1)];
	uint32_t location;

	if (k->frame == frame && k->epoch == epoch && k->location_plus_1)
		return k->location_plus_1 - 1;
	location = find_frame(c, frame, epoch);
	if (location != PROFILE_NONE)
		*k = (struct known_frame){ frame, epoch, location + 1 };
	return location;
}

/* What stands for a stack that was not recorded (stack id 0): a location of its own with a telling name. */
static uint32_t add_no_stack(struct profile *p)
{
	uint32_t location = profile_add_location(p, PROFILE_NONE, 0);
	uint32_t function = profile_add_function(p, CONVERT_NO_STACK, CONVERT_NO_STACK, "", 0);
	struct profile_line *line = profile_alloc(p, 1, sizeof(*line));

	if (location == PROFILE_NONE || function == PROFILE_NONE || !line)
		return PROFILE_NONE;
	line->function = function;
	p->locations[location].lines = line;
	p->locations[location].n_lines = 1;
	return location;
}

struct sample_key {
	const struct converter *c;
	const uint32_t *locations;
	uint32_t n, tid;
};

static bool same_sample(const void *ctx, uint32_t entry)
{
	const struct sample_key *k = ctx;
	const struct profile_sample *s = &k->c->p->samples[entry];

	return s->n_locations == k->n && k->c->tids[entry] == k->tid &&
	       !memcmp(s->locations, k->locations, k->n * sizeof(*k->locations));
}

/* --- threads ------------------------------------------------------------------------------------------ */

static int by_tid(const void *a, const void *b)
{
	uint32_t x = ((const struct thread_label *)a)->tid, y = ((const struct thread_label *)b)->tid;

	return x < y ? -1 : x > y;
}

static int sort_threads(struct converter *c)
{
	c->threads = calloc(c->s->n_threads + 1, sizeof(*c->threads));
	if (!c->threads)
		return -ENOMEM;
	for (size_t i = 0; i < c->s->n_threads; i++)
		c->threads[i] = (struct thread_label){ c->s->threads[i].tid, c->s->threads[i].name };
	qsort(c->threads, c->s->n_threads, sizeof(*c->threads), by_tid);
	return 0;
}

/* The labels of a sample of thread `tid`: `thread`, a name, and the number `tid`. */
static int label_thread(struct converter *c, struct profile_sample *sample, uint32_t tid)
{
	const struct thread_label key = { .tid = tid }, *found;
	char number[32];

	found = bsearch(&key, c->threads, c->s->n_threads, sizeof(key), by_tid);
	snprintf(number, sizeof(number), "thread %" PRIu32, tid);
	sample->labels = profile_alloc(c->p, 2, sizeof(*sample->labels));
	if (!sample->labels)
		return -ENOMEM;
	sample->labels[0] = (struct profile_label){ .key = profile_string(c->p, CONVERT_THREAD_LABEL),
						    .str = profile_string(c->p, found ? found->name : number),
						    .unit = "" };
	sample->labels[1] =
		(struct profile_label){ .key = profile_string(c->p, CONVERT_TID_LABEL), .num = tid, .unit = "" };
	sample->n_labels = 2;
	return sample->labels[0].key && sample->labels[0].str && sample->labels[1].key ? 0 : -ENOMEM;
}

/* The thread a stack is of; then its last frame is none. */
static uint32_t thread_of(const struct snapshot_stack *k)
{
	return k->flags & ABI_STACK_THREAD && k->n_frames ? (uint32_t)k->frames[k->n_frames - 1] : 0;
}

/* --- samples ------------------------------------------------------------------------------------------ */

static uint64_t hash_locations(const uint32_t *locations, uint32_t n, uint32_t tid)
{
	uint64_t h = hash_word(n, tid);

	for (uint32_t i = 0; i < n; i++)
		h = hash_word(h, locations[i]);
	return h;
}

/* The sample of these locations in that thread, new or old. */
static uint32_t intern_sample(struct converter *c, const uint32_t *locations, uint32_t n, uint32_t tid)
{
	struct sample_key key = { .c = c, .locations = locations, .n = n, .tid = tid };
	uint64_t hash = hash_locations(locations, n, tid);
	uint32_t found = index_find(&c->samples, hash, same_sample, &key);

	if (found != ARENA_NONE)
		return found;
	found = profile_add_sample(c->p, locations, n);
	if (found == PROFILE_NONE || !index_add(&c->samples, hash, found) ||
	    (tid && label_thread(c, &c->p->samples[found], tid)))
		return PROFILE_NONE;
	c->tids[found] = tid;
	return found;
}

static void add_values(struct snapshot_values *sum, const struct snapshot_values *v)
{
	sum->allocs += v->allocs;
	sum->frees += v->frees;
	sum->alloc_count += v->alloc_count;
	sum->alloc_bytes += v->alloc_bytes;
	sum->free_count += v->free_count;
	sum->free_bytes += v->free_bytes;
	sum->peak_count += v->peak_count;
	sum->peak_bytes += v->peak_bytes;
	sum->var_alloc_count += v->var_alloc_count;
	sum->var_alloc_bytes += v->var_alloc_bytes;
	sum->var_inuse_count += v->var_inuse_count;
	sum->var_inuse_bytes += v->var_inuse_bytes;
	sum->var_peak_count += v->var_peak_count;
	sum->var_peak_bytes += v->var_peak_bytes;
}

/* a - b in fixed point, 0 if more was freed than allocated (a free that was drained before its alloc). */
static uint64_t in_use(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0 ? 0 : a - b;
}

/* What adds up over stacks; fill_extra() adds what only the sums tell. */
static int add_detail(struct converter *c, struct profile_sample *sample, const struct snapshot_stack *k)
{
	const struct snapshot_detail *d = &k->detail;
	const uint64_t objects = in_use(k->values.alloc_count, k->values.free_count);
	const struct profile_extra e = {
		.temporary_count = d->temporary_count,
		.temporary_bytes = d->temporary_bytes,
		.ages_ns = (double)d->age_ns * (double)objects / (1 << WEIGHT_COUNT_SHIFT),
		.undated = d->undated,
		.lifetimes = d->lifetimes,
		.sizes = d->sizes,
	};

	if (!sample->extra)
		sample->extra = profile_alloc(c->p, 1, sizeof(*sample->extra));
	return sample->extra ? profile_extra_add(c->p, sample->extra, &e) : -ENOMEM;
}

static int add_stack(struct converter *c, const struct snapshot_stack *k, uint32_t *locations)
{
	const uint32_t tid = thread_of(k);
	uint32_t n = k->n_frames - (tid != 0), sample;

	for (uint32_t i = 0; i < n; i++) {
		locations[i] = add_frame(c, k->frames[i], k->epoch);
		if (locations[i] == PROFILE_NONE)
			return -ENOMEM;
	}
	if (!n) {
		locations[n++] = add_no_stack(c->p);
		if (locations[0] == PROFILE_NONE)
			return -ENOMEM;
	}
	sample = intern_sample(c, locations, n, tid);
	if (sample == PROFILE_NONE)
		return -ENOMEM;
	add_values(&c->sums[sample], &k->values);
	return add_detail(c, &c->p->samples[sample], k);
}

static int add_stacks(struct converter *c)
{
	const struct snapshot *s = c->s;
	uint32_t deepest = 1, *locations;
	int r = 0;

	for (size_t i = 0; i < s->n_stacks; i++)
		deepest = s->stacks[i].n_frames > deepest ? s->stacks[i].n_frames : deepest;
	locations = calloc(deepest, sizeof(*locations));
	c->sums = calloc(s->n_stacks + 1, sizeof(*c->sums)); /* never more samples than stacks */
	c->tids = calloc(s->n_stacks + 1, sizeof(*c->tids));
	c->known = calloc(FRAMES_KNOWN, sizeof(*c->known));
	if (!locations || !c->sums || !c->tids || !c->known || sort_threads(c))
		r = -ENOMEM;
	for (size_t i = 0; i < s->n_stacks && !r; i++)
		r = add_stack(c, &s->stacks[i], locations);
	free(locations);
	return r;
}

static int64_t round_fixed(uint64_t v, unsigned shift)
{
	return (int64_t)((v >> shift) + (v >> (shift - 1) & 1));
}

static double positive(double v)
{
	return v > 0 ? v : 0;
}

static void fill_extra(struct profile_extra *e, const struct snapshot_values *v)
{
	e->allocs = v->allocs;
	e->frees = v->frees;
	e->in_use_count = in_use(v->alloc_count, v->free_count);
	e->in_use_bytes = in_use(v->alloc_bytes, v->free_bytes);
	e->peak_count = v->peak_count;
	e->peak_bytes = v->peak_bytes;
	e->var_in_use_count = positive(v->var_inuse_count);
	e->var_in_use_bytes = positive(v->var_inuse_bytes);
	e->var_peak_count = positive(v->var_peak_count);
	e->var_peak_bytes = positive(v->var_peak_bytes);
}

static int fill_sample(struct converter *c, struct profile_sample *sample, const struct snapshot_values *v,
		       enum convert_values which)
{
	bool now = which == CONVERT_NOW;
	uint64_t count = now ? in_use(v->alloc_count, v->free_count) : v->peak_count;
	uint64_t bytes = now ? in_use(v->alloc_bytes, v->free_bytes) : v->peak_bytes;
	double *var = profile_alloc(c->p, PROFILE_HEAP_TYPES, sizeof(*var));

	if (!var)
		return -ENOMEM;
	sample->values[PROFILE_ALLOC_OBJECTS] = round_fixed(v->alloc_count, WEIGHT_COUNT_SHIFT);
	sample->values[PROFILE_ALLOC_SPACE] = round_fixed(v->alloc_bytes, WEIGHT_BYTES_SHIFT);
	sample->values[PROFILE_INUSE_OBJECTS] = round_fixed(count, WEIGHT_COUNT_SHIFT);
	sample->values[PROFILE_INUSE_SPACE] = round_fixed(bytes, WEIGHT_BYTES_SHIFT);
	var[PROFILE_ALLOC_OBJECTS] = positive(v->var_alloc_count);
	var[PROFILE_ALLOC_SPACE] = positive(v->var_alloc_bytes);
	var[PROFILE_INUSE_OBJECTS] = positive(now ? v->var_inuse_count : v->var_peak_count);
	var[PROFILE_INUSE_SPACE] = positive(now ? v->var_inuse_bytes : v->var_peak_bytes);
	sample->variance = var;
	fill_extra(sample->extra, v);
	return 0;
}

static bool all_zero(const struct profile_sample *s)
{
	for (size_t i = 0; i < PROFILE_HEAP_TYPES; i++)
		if (s->values[i])
			return false;
	return true;
}

/* Values for all samples; those that are nothing at all go, as pprof would drop them on reading. */
static int fill_samples(struct converter *c, enum convert_values which)
{
	struct profile *p = c->p;
	size_t kept = 0;

	for (size_t i = 0; i < p->n_samples; i++) {
		int r = fill_sample(c, &p->samples[i], &c->sums[i], which);

		if (r)
			return r;
		if (!all_zero(&p->samples[i]))
			p->samples[kept++] = p->samples[i];
	}
	p->n_samples = kept;
	return 0;
}

static int convert(struct converter *c, enum convert_values which)
{
	int r;

	c->p = profile_new();
	if (!c->p)
		return -ENOMEM;
	r = profile_describe_head(c->p, c->s);
	if (!r)
		r = modules_init(&c->modules, c->s, c->p);
	if (!r)
		r = add_stacks(c);
	return r ? r : fill_samples(c, which);
}

int profile_from_snapshot(const struct snapshot *s, enum convert_values which, struct profile **ret,
			  struct fault *f)
{
	struct converter c = { .s = s };
	int r = convert(&c, which);

	modules_done(&c.modules);
	free(c.sums);
	free(c.tids);
	free(c.known);
	free(c.threads);
	index_done(&c.samples);
	if (r) {
		profile_free(c.p);
		return fault_set(f, r, "out of memory");
	}
	*ret = c.p;
	return 0;
}
