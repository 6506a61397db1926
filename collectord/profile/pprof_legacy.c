/* collectord/profile/pprof_legacy.c - the records of a text heap profile; see pprof_legacy.h.
 *
 * The first line says how samples were taken; values of sampled ones are estimated as pprof does it.  A line that
 * is no record refuses the whole file, lines of the memory map that follows are read by pprof_maps.c. */
#include "collectord/profile/pprof_legacy.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/profile/pprof_maps.h"
#include "collectord/profile/report_format.h"

#define FIRST_WORDS "heap profile:"
#define LINE_SHOWN 200 /* bytes of a bad line in a fault */

/* Frames that are the allocator's: nobody asks for them. */
#define DROPPED                                                                                             \
	"calloc|cfree|malloc|free|memalign|do_memalign|(__)?posix_memalign|pvalloc|valloc|realloc|"         \
	"tcmalloc::.*|tc_calloc|tc_cfree|tc_malloc|tc_free|tc_memalign|tc_posix_memalign|tc_pvalloc|"       \
	"tc_valloc|tc_realloc|tc_new|tc_delete|tc_newarray|tc_deletearray|tc_new_nothrow|"                  \
	"tc_newarray_nothrow|malloc_zone_malloc|malloc_zone_calloc|malloc_zone_valloc|malloc_zone_realloc|" \
	"malloc_zone_memalign|malloc_zone_free|runtime\\..*|BaseArena::.*|(::)?do_malloc_no_errno|"         \
	"(::)?do_malloc_pages|(::)?do_malloc|DoSampledAllocation|MallocedMemBlock::MallocedMemBlock|"       \
	"_M_allocate|__builtin_(vec_)?delete|__builtin_(vec_)?new|__gnu_cxx::new_allocator::allocate|"      \
	"__libc_malloc|__malloc_alloc_template::allocate|allocate|cpp_alloc|operator new(\\[\\])?|"         \
	"simple_alloc::allocate"
#define KEPT "runtime\\.panic|runtime\\.reflectcall|runtime\\.call[0-9]*"

struct legacy {
	const char *at, *end; /* what is still to read */
	char *line;           /* the current one, without its newline; malloc'ed */
	struct profile *p;
	struct fault *fault;
	bool poisson, has_alloc;
	int64_t rate;
};

bool legacy_may_be(const void *head, size_t n)
{
	const char *end = memchr(head, '\n', n);

	return memmem(head, end ? (size_t)(end - (const char *)head) : n, FIRST_WORDS, sizeof(FIRST_WORDS) - 1);
}

/* False at the end, and when out of memory. */
static bool next_line(struct legacy *l)
{
	const char *end;

	free(l->line);
	l->line = NULL;
	if (l->at >= l->end)
		return false;
	end = memchr(l->at, '\n', (size_t)(l->end - l->at));
	end = end ? end : l->end;
	l->line = strndup(l->at, (size_t)(end - l->at));
	if (end > l->at && end[-1] == '\r' && l->line)
		l->line[strcspn(l->line, "\r")] = '\0';
	l->at = end + 1;
	return l->line;
}

static const char *blanks(const char *t)
{
	return t + strspn(t, " ");
}

/* Digits at `t`, with a minus if `is_signed`: the end, or NULL. */
static const char *digits(const char *t, bool is_signed)
{
	size_t n;

	t += is_signed && *t == '-';
	n = strspn(t, "0123456789");
	return n ? t + n : NULL;
}

/* "N: B [N: B]" at `t`, spaces optional: where the four numbers start, and the end; NULL if it is none. */
static const char *read_pairs(const char *t, bool is_signed, const char *at[4])
{
	static const char *const between[] = { ":", "[", ":", "]" };

	for (int i = 0; i < 4; i++) {
		const char *end;

		at[i] = t;
		end = digits(t, is_signed && i < 2);
		if (!end)
			return NULL;
		t = i % 2 ? blanks(end) : end;
		if (*t != *between[i])
			return NULL;
		t = i == 3 ? t + 1 : blanks(t + 1);
	}
	return t;
}

static bool same_digits(const char *a, const char *b)
{
	size_t m = strspn(a, "0123456789"), n = strspn(b, "0123456789");

	return m == n && !memcmp(a, b, n);
}

/* --- the first line ---------------------------------------------------------------------------------- */

/* What stands behind the @: "heap_v2/524288". */
static int read_sampling(struct legacy *l, const char *tag, bool tight)
{
	size_t n = strspn(tag, "_abcdefghijklmnopqrstuvwxyz0123456789");
	const char *rate = tag + n + (tag[n] == '/');
	int64_t r = strtoll(rate, NULL, 10);

	if (tight && (!strncmp(tag, "growth", 6) || !strncmp(tag, "fragmentation", 13))) {
		l->has_alloc = false;
		l->p->period = 1;
	} else if ((n == 7 && !memcmp(tag, "heap_v2", n)) || (n == 8 && !memcmp(tag, "heapz_v2", n))) {
		l->poisson = true;
		l->p->period = r;
	} else if (n == 4 && !memcmp(tag, "heap", n)) {
		l->poisson = true;
		l->p->period = r / 2;
	} else if (n == 11 && !memcmp(tag, "heapprofile", n)) {
		l->p->period = 1;
	} else {
		return fault_set(l->fault, -EINVAL,
				 "unrecognized profile format (heap profile of kind '%.*s'): "
				 "heap, heap_v2 and growth can be read",
				 (int)n, tag);
	}
	l->rate = l->p->period;
	return 0;
}

static int read_header(struct legacy *l)
{
	const char *t = strstr(l->line, FIRST_WORDS), *at[4], *end, *tag;

	t = t ? blanks(t + strlen(FIRST_WORDS)) : l->line;
	end = read_pairs(t, false, at);
	tag = end ? blanks(end) : NULL;
	if (!tag || *tag != '@')
		return fault_set(l->fault, -EINVAL,
				 "unrecognized profile format (its first line should end in "
				 "'[...] @ heap_v2/RATE')");
	l->has_alloc = (!same_digits(at[2], at[0]) && !(at[2][0] == '0' && digits(at[2], false) == at[2] + 1)) ||
		       (!same_digits(at[3], at[1]) && !(at[3][0] == '0' && digits(at[3], false) == at[3] + 1));
	return read_sampling(l, blanks(tag + 1), !strncmp(end, " @ ", 3));
}

static int add_types(struct legacy *l)
{
	static const char *const types[] = { "alloc_objects", "alloc_space", "inuse_objects",
					     "inuse_space",   "objects",     "space" };

	for (int i = l->has_alloc ? 0 : 4; i < (l->has_alloc ? 4 : 6); i++)
		if (profile_add_sample_type(l->p, types[i], i % 2 ? "bytes" : "count") == PROFILE_NONE)
			return -ENOMEM;
	l->p->period_type =
		(struct profile_value_type){ profile_string(l->p, "space"), profile_string(l->p, "bytes") };
	l->p->drop_frames = profile_string(l->p, DROPPED);
	l->p->keep_frames = profile_string(l->p, KEPT);
	return l->p->drop_frames && l->p->keep_frames && l->p->period_type.type && l->p->period_type.unit ? 0
													  : -ENOMEM;
}

/* --- records ----------------------------------------------------------------------------------------- */

static int bad_line(struct legacy *l, const char *why)
{
	return fault_set(l->fault, -EINVAL, "malformed sample: %.*s: %s", LINE_SHOWN, l->line, why);
}

/* An average of size/count bytes was sampled with probability 1 - exp(-average / rate). */
static void estimate(const struct legacy *l, int64_t *count, int64_t *size)
{
	double scale;

	if (!*count || !*size) {
		*count = *size = 0;
		return;
	}
	if (l->rate <= 1)
		return;
	scale = 1 / (1 - exp(-((double)*size / (double)*count) / (double)l->rate));
	*count = report_trunc((double)*count * scale);
	*size = report_trunc((double)*size * scale);
}

static int read_pair(struct legacy *l, const char *count_at, const char *size_at, int64_t *values, int64_t *block)
{
	int64_t count, size;

	errno = 0;
	count = strtoll(count_at, NULL, 10);
	size = strtoll(size_at, NULL, 10);
	if (errno)
		return bad_line(l, "value out of range");
	if (!count && size)
		return bad_line(l, "count was 0 but bytes were not");
	if (count) {
		*block = report_quotient(size, count);
		if (l->poisson)
			estimate(l, &count, &size);
	}
	values[0] = count;
	values[1] = size;
	return 0;
}

/* The addresses behind the @, wherever "0x..." stands there, each one less: inside the call. */
static int read_stack(struct legacy *l, const char *t, const char *end, uint32_t *ret_sample)
{
	uint32_t n = 0, *stack = malloc(((size_t)(end - t) / 3 + 1) * sizeof(*stack));
	int r = stack ? 0 : -ENOMEM;

	while (!r && (t = strstr(t, "0x")) && t < end) {
		size_t hex = strspn(t + 2, "0123456789abcdef");
		uint64_t address;

		errno = 0;
		address = strtoull(t, NULL, 16);
		t += 2;
		if (!hex)
			continue;
		if (errno) {
			r = bad_line(l, "an address has more than 64 bits");
			break;
		}
		t += hex;
		stack[n] = profile_add_location(l->p, PROFILE_NONE, address - 1);
		r = stack[n++] == PROFILE_NONE ? -ENOMEM : 0;
	}
	if (!r) {
		*ret_sample = profile_add_sample(l->p, stack, n);
		r = *ret_sample == PROFILE_NONE ? -ENOMEM : 0;
	}
	free(stack);
	return r;
}

static int add_block_label(struct legacy *l, struct profile_sample *s, int64_t block)
{
	s->labels = profile_alloc(l->p, 1, sizeof(*s->labels));
	if (!s->labels)
		return -ENOMEM;
	s->labels[0] = (struct profile_label){ .key = profile_string(l->p, "bytes"),
					       .num = block,
					       .unit = profile_string(l->p, "") };
	s->n_labels = 1;
	return s->labels[0].key && s->labels[0].unit ? 0 : -ENOMEM;
}

/* The first place in the line where a record stands; NULL if there is none. */
static const char *find_record(const char *line, const char *at[4])
{
	for (const char *t = line; *t; t++) {
		const char *end;

		if (*t != '-' && !isdigit((unsigned char)*t))
			continue;
		end = read_pairs(t, true, at);
		if (end && !strncmp(end, " @", 2))
			return end + 2;
	}
	return NULL;
}

static int read_record(struct legacy *l)
{
	int64_t values[4] = { 0 }, block = 0;
	const char *at[4], *rest = find_record(l->line, at);
	uint32_t sample = 0;
	int r = 0;

	if (!rest)
		return bad_line(l, "not of the form 'N: BYTES [N: BYTES] @ ADDRESSES'");
	if (l->has_alloc)
		r = read_pair(l, at[2], at[3], values, &block);
	if (!r)
		r = read_pair(l, at[0], at[1], l->has_alloc ? values + 2 : values, &block);
	if (!r)
		r = read_stack(l, rest, rest + strspn(rest, " x0123456789abcdef"), &sample);
	if (r)
		return r;
	memcpy(l->p->samples[sample].values, values, l->p->n_sample_types * sizeof(*values));
	return add_block_label(l, &l->p->samples[sample], block);
}

static bool is_map_start(const char *line)
{
	return strstr(line, "--- Memory map: ---") || strstr(line, "MAPPED_LIBRARIES:");
}

static int read_all(struct legacy *l)
{
	int r;

	if (!next_line(l))
		return -ENOMEM;
	r = read_header(l);
	if (!r)
		r = add_types(l);
	while (!r && next_line(l) && !is_map_start(l->line)) {
		const char *t = l->line + strspn(l->line, " \t\r\v\f");

		if (*t && *t != '#')
			r = read_record(l);
	}
	return r ? r : maps_read(l->p, l->at < l->end ? l->at : l->end, l->end);
}

int legacy_decode(const void *buf, size_t len, struct profile **ret, struct fault *f)
{
	struct legacy l = { .at = buf, .end = (const char *)buf + len, .fault = f, .p = profile_new() };
	int r = l.p ? read_all(&l) : -ENOMEM;

	free(l.line);
	if (r)
		profile_free(l.p);
	else
		*ret = l.p;
	return r;
}
