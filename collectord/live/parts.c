/* collectord/live/parts.c - see parts.h. */
#include "collectord/live/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collectord/live/state.h"

struct part {
	uint32_t kind;
	uint32_t item; /* bytes of the struct, or of each item of an array */
	uint64_t size; /* bytes of all that follows, without what fills up the last word */
};

/* Format 2 had the same structs one after the other, and nothing that told their lengths. */
static const uint32_t items_of_2[PART_KINDS] = {
	[PART_SESSION] = 2280, [PART_THREADS] = 24, [PART_DRAIN] = 2064, [PART_SEEN] = 128,
	[PART_PROCESS] = 376,  [PART_BOOKS] = 64,   [PART_TOTAL] = 336,  [PART_WORDS] = 8,
	[PART_POINTS] = 64,    [PART_BUCKET] = 336, [PART_SHARED] = 4,
};

static size_t filler(uint64_t at)
{
	return -at & 7;
}

static void begin(struct pack_writer *w, enum part_kind kind, size_t item, uint64_t size)
{
	const struct part head = { kind, (uint32_t)item, size };

	pack_put(w, &head, sizeof(head));
}

void part_put(struct pack_writer *w, enum part_kind kind, const void *p, size_t size, size_t extra)
{
	begin(w, kind, size, size + extra);
	pack_put(w, p, size);
}

void part_put_array(struct pack_writer *w, enum part_kind kind, size_t item, size_t n)
{
	begin(w, kind, item, (uint64_t)item * n);
}

void part_end(struct pack_writer *w)
{
	static const uint8_t zeroes[8];

	pack_put(w, zeroes, filler(w->size));
}

/* --- and back ------------------------------------------------------------------------------------------------ */

static bool is_known(uint32_t kind)
{
	return kind && kind < PART_KINDS;
}

/* Look at the next part that we know, skip those we need not.  0; -ENODATA: the end; -EBADMSG, -EPROTO. */
static int look(struct pack_reader *r, struct part *ret)
{
	for (;;) {
		const size_t left = (size_t)(r->end - r->p);

		if (left == 0)
			return -ENODATA;
		if (left < sizeof(*ret))
			return -EBADMSG;
		memcpy(ret, r->p, sizeof(*ret));
		if (ret->size > left - sizeof(*ret) || filler(ret->size) > left - sizeof(*ret) - ret->size)
			return -EBADMSG;
		if (is_known(ret->kind))
			return 0;
		if (ret->kind & STATE_VITAL)
			return -EPROTO;
		r->p += sizeof(*ret) + ret->size + filler(ret->size);
	}
}

/* Stand behind the head of part `kind`. */
static int enter(struct pack_reader *r, enum part_kind kind, struct part *ret)
{
	int e;

	if (r->is_format_2) {
		*ret = (struct part){ kind, items_of_2[kind], (uint64_t)(r->end - r->p) };
		return 0;
	}
	e = look(r, ret);
	if (!e && ret->kind != (uint32_t)kind)
		e = -EBADMSG;
	if (e)
		return e == -ENODATA ? -EBADMSG : e;
	r->p += sizeof(*ret);
	r->part_end = r->p + ret->size + filler(ret->size);
	return 0;
}

/* What is missing is 0, what is too much goes. */
static bool take_item(struct pack_reader *r, size_t item, void *ret, size_t size)
{
	const uint8_t *from = pack_take(r, item);
	size_t both = item < size ? item : size;

	if (!from)
		return false;
	memcpy(ret, from, both);
	memset((uint8_t *)ret + both, 0, size - both);
	return true;
}

int part_get(struct pack_reader *r, enum part_kind kind, void *ret, size_t size)
{
	struct part head;
	int e = enter(r, kind, &head);

	if (!e && (head.item > head.size || !take_item(r, head.item, ret, size)))
		e = -EBADMSG;
	return e;
}

void part_leave(struct pack_reader *r)
{
	if (r->is_format_2)
		return;
	if (r->p > r->part_end)
		r->bad = true;
	else
		r->p = r->part_end;
}

int part_get_array(struct pack_reader *r, enum part_kind kind, size_t n, size_t size, size_t room, void **ret)
{
	struct part head;
	uint8_t *to;
	int e = enter(r, kind, &head);

	if (e)
		return e;
	if (!head.item || n > head.size / head.item || (!r->is_format_2 && n * head.item != head.size))
		return -EBADMSG;
	to = calloc(room ? room : 1, size);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		take_item(r, head.item, to + i * size, size);
	part_leave(r);
	*ret = to;
	return 0;
}

bool part_is_next(struct pack_reader *r, enum part_kind kind)
{
	struct part head;

	return !r->is_format_2 && look(r, &head) == 0 && head.kind == (uint32_t)kind;
}

int part_finish(struct pack_reader *r)
{
	struct part head;
	int e;

	if (r->is_format_2)
		return r->bad || r->p != r->end ? -EBADMSG : 0;
	e = look(r, &head);
	return r->bad || !e ? -EBADMSG : e == -ENODATA ? 0 : e;
}
