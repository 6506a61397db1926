/* common/stacktab.c - open addressing over CAS-published slots; see stacktab.h.
 *
 * A stack's first choice is one cache line of the table's beginning, where the slots of some ten thousand stacks,
 * and all arrays the collector indexes by stack id, stay within the caches; from there it goes anywhere in the
 * rest of the table.  A probe looks at most at that line and PROBES more slots: past that the table counts as full,
 * which bounds a sample's cost. */
#include "common/stacktab.h"

#include "common/testpoint.h"

#define PROBES 64u
#define LINE (CACHE_LINE / 8) /* slots */
#define NEAR_SLOTS (1u << 15)

uint64_t stack_hash(const uint64_t *frames, uint32_t n, uint32_t flags, uint32_t epoch)
{
	uint64_t h = stack_hash_begin(epoch, flags);

	while (n)
		h = stack_hash_frame(h, frames[--n]);
	return h;
}

/* One stack on its way into the table. */
struct newcomer {
	const uint64_t *frames;
	uint64_t word;   /* its header */
	uint32_t n, tid; /* tid: 0, or the word after the frames */
	uint32_t check;
	uint32_t entry; /* where its words were written, 0: not yet */
};

static bool same_stack(const uint64_t *entry, const struct newcomer *c)
{
	if (entry[0] != c->word)
		return false;
	for (uint32_t i = 0; i < c->n; i++)
		if (entry[1 + i] != c->frames[i])
			return false;
	return !c->tid || entry[1 + c->n] == c->tid;
}

/* Take as many words of the arena as the stack needs and write it there; 0 when it is full. */
static uint32_t append(const struct abi_region *r, const struct newcomer *c)
{
	const uint32_t n = ABI_STACK_DEPTH(c->word);
	uint64_t off;

	/* Look before taking, so that a full arena's cursor does not creep towards wrapping. */
	if (load_relaxed(&r->cursors->words) + n + 1 > r->geo.stack_words)
		return 0;
	off = add_relaxed(&r->cursors->words, n + 1);
	if (off == 0 || off > r->geo.stack_words || r->geo.stack_words - off < n + 1)
		return 0;
	r->words[off] = c->word;
	for (uint32_t i = 0; i < c->n; i++)
		r->words[off + 1 + i] = c->frames[i];
	if (c->tid)
		r->words[off + n] = c->tid;
	return (uint32_t)off;
}

enum outcome { ELSEWHERE, HERE, NO_ROOM };

static inline enum outcome try_slot(const struct abi_region *r, struct newcomer *c, uint32_t at)
{
	uint64_t slot;

	if (at == 0) /* id 0 means "table full" */
		return ELSEWHERE;
	slot = load_acquire(&r->slots[at]); /* H, pairs with G */
	if (slot == 0) {
		if (!c->entry)
			c->entry = append(r, c);
		if (!c->entry)
			return NO_ROOM;
		TEST_POINT(stack_written);
		if (cas_acq_rel(&r->slots[at], &slot, ABI_SLOT(c->check, c->entry))) { /* G, pairs with H */
			TEST_POINT(stack_published);
			add_relaxed(&r->cursors->stacks, 1);
			return HERE;
		}
	}
	return ABI_SLOT_CHECK(slot) == c->check && same_stack(r->words + ABI_SLOT_OFFSET(slot), c) ? HERE
												   : ELSEWHERE;
}

/* The i-th slot beyond the first choice.  Not in the table's beginning if there is more: that is the first to be
 * full, from one end to the other. */
static inline uint32_t far_slot(uint32_t mask, uint32_t low, uint32_t i)
{
	uint32_t begin = mask >= NEAR_SLOTS ? NEAR_SLOTS : 0, at = (low < begin ? low + begin : low) + i;

	return at <= mask ? at : at - mask - 1 + begin;
}

static uint32_t intern(const struct abi_region *r, struct newcomer *c, uint64_t hash)
{
	uint32_t mask = r->geo.stack_slots - 1, low = (uint32_t)hash & mask, at = low & (NEAR_SLOTS - 1);

	c->check = (uint32_t)(hash >> 32);
	for (uint32_t i = 0; i < LINE + PROBES; i++) {
		enum outcome o = try_slot(r, c, at);

		if (o != ELSEWHERE)
			return o == HERE ? at : 0;
		if (i + 1 < LINE)
			at = (at & ~(LINE - 1)) | ((at + 1) & (LINE - 1));
		else
			at = far_slot(mask, low, i + 1 - LINE);
	}
	return 0;
}

uint32_t stack_intern(const struct abi_region *r, const uint64_t *frames, uint32_t n, uint32_t flags,
		      uint32_t epoch, uint64_t hash)
{
	struct newcomer c = { .frames = frames, .n = n, .word = ABI_STACK_WORD(n, flags, epoch) };

	return intern(r, &c, hash);
}

uint32_t stack_intern_of(const struct abi_region *r, const uint64_t *frames, uint32_t n, uint32_t tid,
			 uint32_t flags, uint32_t epoch, uint64_t hash)
{
	struct newcomer c = {
		.frames = frames, .n = n, .tid = tid, .word = ABI_STACK_WORD(n + 1, flags | ABI_STACK_THREAD, epoch)
	};

	return tid ? intern(r, &c, stack_hash_frame(hash, tid)) : stack_intern(r, frames, n, flags, epoch, hash);
}

int stack_read(const struct abi_region *r, uint32_t id, uint64_t *frames, uint32_t max, uint64_t *ret_word)
{
	uint64_t slot, off, word;
	uint32_t n;

	if (id == 0 || id >= r->geo.stack_slots)
		return -1;
	slot = load_acquire(&r->slots[id]); /* H, pairs with G */
	off = ABI_SLOT_OFFSET(slot);
	if (off == 0 || off >= r->geo.stack_words)
		return -1;
	word = *(volatile uint64_t *)&r->words[off]; /* one fetch: the peer may change it under us */
	n = ABI_STACK_DEPTH(word);
	if (n > max || n > ABI_MAX_DEPTH || n >= r->geo.stack_words - off)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		frames[i] = r->words[off + 1 + i];
	*ret_word = word;
	return (int)n;
}
