/* preload/chain.c - joining, checking and extending the verified chain; see chain.h. */
#include "preload/unwind.h"

#include "common/stacktab.h"
#include "preload/chain.h"

/* Not 0: what the step to a frame read, by its mark, is not there any more. */
static inline uintptr_t differs(const struct chain_mark *m, const uint64_t *frame)
{
	const uintptr_t *now = (const uintptr_t *)m->at;

	return ((now[0] ^ m->fp) & (uintptr_t)m->fp_at) | arch_code_address(now[1] ^ *frame);
}

/* The first frame from `i` on whose caller is not where it was; CHAIN_FRAMES: none. */
static inline uint32_t changed_caller(const struct chain *c, uint32_t i)
{
	const struct chain_mark *m = &c->marks[i + 1];
	const uint64_t *frame = &c->frames[i + 1], *end = &c->frames[CHAIN_FRAMES + 1];

	for (; frame < end - 3; m += 4, frame += 4)
		if (differs(m, frame) | differs(m + 1, frame + 1) | differs(m + 2, frame + 2) |
		    differs(m + 3, frame + 3))
			break;
	for (; frame < end && !differs(m, frame); m++)
		frame++;
	return (uint32_t)(frame - c->frames) - 1;
}

/* The first extra word that the steps from `at` on read. */
static inline uint32_t extras_from(const struct chain *c, uint32_t at)
{
	uint32_t i = at < CHAIN_FRAMES ? c->first_extra : CHAIN_EXTRAS;

	while (i < CHAIN_EXTRAS && c->extras[i].frame < at)
		i++;
	return i;
}

/* The first one from `i` on that changed; CHAIN_EXTRAS: none. */
static inline uint32_t changed_extra(const struct chain *c, uint32_t i)
{
	while (i < CHAIN_EXTRAS && *(const uintptr_t *)c->extras[i].at == c->extras[i].value)
		i++;
	return i;
}

/* A chain is not extended to more than twice what is reported, which bounds the memory touched; and one that was
 * cut at max_depth says nothing about what follows. */
static bool length_fits(const struct chain *c, uint32_t n, const struct chain_cursor *cursor)
{
	uint32_t total = n + CHAIN_FRAMES - cursor->at;

	return total <= CHAIN_FRAMES && total <= 2 * cursor->max_depth &&
	       (!c->capped || total >= cursor->max_depth);
}

/* Is the frame at `at` the one the walk is at, and may it take over? */
static inline bool same_frame(const struct chain *c, uint32_t at, const struct frame *f)
{
	const struct chain_mark *m = &c->marks[at];

	return m->sp == f->sp && c->frames[at] == frame_word(f) && (!m->fp_lives || m->fp == f->fp);
}

bool chain_join(const struct chain *c, struct chain_cursor *cursor, const struct frame *f, uint32_t n)
{
	uint32_t at = cursor->at, caller, extra;

	while (at < CHAIN_FRAMES && c->marks[at].sp < f->sp)
		at++;
	cursor->at = at;
	if (at < CHAIN_FRAMES && c->marks[at].sp == f->sp) {
		if (same_frame(c, at, f) && length_fits(c, n, cursor)) {
			caller = changed_caller(c, at);
			extra = changed_extra(c, extras_from(c, at));
			if (caller == CHAIN_FRAMES && extra == CHAIN_EXTRAS)
				return true;
			/* No frame whose further steps read what changed can be joined. */
			at = 1 + (caller < CHAIN_FRAMES ? caller : c->extras[extra].frame);
		} else {
			at++;
		}
	}
	chain_move_to(c, cursor, at);
	return false;
}

/* Note that the step of frame `at`, which begins at `sp`, read the word at `word`.  False if it cannot be
 * remembered: it is below the frame, where a later walk may not read. */
static bool push_extra(struct chain *c, uint32_t at, uintptr_t word, uintptr_t sp)
{
	if (word < sp)
		return false;
	c->extras[--c->first_extra] = (struct chain_extra){ word, *(const uintptr_t *)word, at };
	return true;
}

/* The words that the step of the frame `v`, which is at `at`, read, and whether its fp matters. */
static bool push_words(struct chain *c, uint32_t at, const struct chain_visit *v)
{
	struct chain_mark *outer = &c->marks[at + 1];
	struct frame_reads reads = frame_reads(v->rule, v->sp, v->fp, outer->sp);
	bool pair = reads.ra > v->sp && !(c->frames[at + 1] & ABI_FRAME_EXACT);
	bool saved = outer->fp_lives && reads.fp, beside = reads.fp == reads.ra - 8, ok = true;

	/* Without a pair, outer->at is such that the frame's address is compared with itself. */
	outer->at = pair ? reads.ra - 8 : (uintptr_t)&c->frames[at + 1] - 8;
	outer->fp_at = pair && saved && beside ? -1 : 0;
	if (reads.ra && !pair)
		ok &= push_extra(c, at, reads.ra, v->sp);
	if (saved && !(pair && beside))
		ok &= push_extra(c, at, reads.fp, v->sp);
	if (reads.cfa)
		ok &= push_extra(c, at, reads.cfa, v->sp);
	c->marks[at].fp_lives = reads.by_fp || (outer->fp_lives && !reads.fp);
	return ok;
}

/* Extend the chain inwards by the frame `v`, whatever it is.  What its step read is looked up only if all steps
 * further out were sound, as `ok` tells: else it may not be readable.  Returns whether they are now. */
static NOINLINE bool push_frame(struct chain *c, uint32_t at, const struct chain_visit *v, bool ok)
{
	struct chain_mark *m = &c->marks[at];

	ok = ok && push_words(c, at, v);
	m->hash = stack_hash_frame(c->marks[at + 1].hash, v->frame);
	m->sp = v->sp;
	m->fp = v->fp;
	m->id = 0;
	c->frames[at] = v->frame;
	return ok;
}

/* Extend it by the outermost of `n` frames as long as they are plain and have no extra words: the same as
 * push_frame(), in registers.  Returns how many are left. */
static NOINLINE uint32_t push_plain(struct chain *c, uint32_t at, const struct chain_visit *visits, uint32_t n)
{
	struct chain_mark *m = &c->marks[at];
	uint64_t hash = m->hash, *frame = &c->frames[at];
	uintptr_t sp = m->sp;
	bool lives = m->fp_lives;

	for (; n > 0; n--) {
		const struct chain_visit *v = &visits[n - 1];
		const uintptr_t ra = arch_ra_slot(v->rule, sp);

		if (UNLIKELY(!rule_is_plain(v->rule) || ra <= v->sp))
			break;
		m->at = ra - 8;
		m->fp_at = 0;
		if (lives && arch_saves_fp(v->rule)) {
			if (!arch_fp_beside_ra(v->rule))
				break;
			m->fp_at = -1;
			lives = false;
		}
		m--;
		hash = stack_hash_frame(hash, v->frame);
		sp = v->sp;
		lives |= rule_by_fp(v->rule);
		m->hash = hash;
		m->sp = sp;
		m->fp = v->fp;
		m->id = 0;
		m->fp_lives = lives;
		*--frame = v->frame;
	}
	return n;
}

/* All of them, before the one at `at`.  False if what they rest on cannot be remembered. */
static bool push_frames(struct chain *c, uint32_t at, const struct chain_visit *visits, uint32_t n, bool ok)
{
	uint32_t left;

	c->first_extra = extras_from(c, at);
	while (n > 0) {
		left = ok ? push_plain(c, at, visits, n) : n;
		at -= n - left;
		n = left;
		if (n > 0) {
			n--, at--;
			ok = push_frame(c, at, &visits[n], ok);
		}
	}
	return ok;
}

/* Put the walk's frames before the one at end->at. */
static NOINLINE void extend(struct chain *c, const struct chain_visit *visits, const struct chain_end *end)
{
	bool sound = !(end->flags & (ABI_STACK_TRUNCATED | ABI_STACK_FOREIGN));

	store_relaxed(&c->valid, false);
	fence_signal();
	if (end->at == CHAIN_FRAMES) {
		c->marks[end->at] =
			(struct chain_mark){ .hash = stack_hash_begin(end->epoch, end->flags), .sp = end->sp };
		c->frames[end->at] = end->ip;
		c->capped = end->flags & ABI_STACK_CAPPED;
	}
	sound = push_frames(c, end->at, visits, end->n, sound);
	c->first = end->at - end->n;
	c->epoch = end->epoch;
	c->tid = end->tid;
	c->high = end->high;
	fence_signal();
	store_relaxed(&c->valid, sound);
}

void chain_close(struct chain *c, const struct chain_visit *visits, const struct chain_end *end,
		 struct unwind_stack *ret)
{
	if (end->n || end->at == CHAIN_FRAMES)
		extend(c, visits, end);
	else
		c->first = end->at;
	ret->n = CHAIN_FRAMES - c->first;
	ret->flags = end->at < CHAIN_FRAMES && c->capped ? ABI_STACK_CAPPED : end->flags;
	ret->epoch = end->epoch;
	ret->hash = c->marks[c->first].hash;
	ret->frames = &c->frames[c->first];
	ret->id = &c->marks[c->first].id;
	if (UNLIKELY(ret->n > end->max_depth)) {
		ret->n = end->max_depth;
		ret->flags = ABI_STACK_CAPPED;
		ret->hash = stack_hash(ret->frames, ret->n, ret->flags, ret->epoch);
		ret->id = NULL;
	}
}
