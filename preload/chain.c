/* preload/chain.c - joining, checking and extending the verified chain; see chain.h. */
#include "preload/unwind.h"

#include "common/stacktab.h"
#include "preload/chain.h"

static void move_to(const struct chain *c, struct chain_cursor *cursor, uint32_t at)
{
	cursor->at = at;
	cursor->sp = at < CHAIN_FRAMES ? c->marks[at].sp : UINTPTR_MAX;
}

struct chain_cursor chain_open(const struct chain *c, const struct stack_bounds *b, uint32_t epoch,
			       uint32_t max_depth)
{
	bool usable = load_relaxed(&c->valid) && !b->foreign && c->epoch == epoch && c->high == b->high;
	struct chain_cursor cursor = { .max_depth = max_depth };

	move_to(c, &cursor, usable ? c->first : CHAIN_FRAMES);
	return cursor;
}

/* The first word from `i` on that changed; CHAIN_WORDS: none. */
static uint32_t changed_word(const struct chain *c, uint32_t i)
{
	while (i < CHAIN_WORDS && *(const uintptr_t *)c->words[i].at == c->words[i].value)
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

/* Is the frame at cursor->at the one the walk is at, and may it take over? */
static bool same_frame(const struct chain *c, const struct chain_cursor *cursor, const struct frame *f, uint32_t n)
{
	const struct chain_mark *m = &c->marks[cursor->at];

	return m->sp == f->sp && c->frames[cursor->at] == frame_word(f) && (!m->fp_lives || m->fp == f->fp) &&
	       length_fits(c, n, cursor);
}

bool chain_join(const struct chain *c, struct chain_cursor *cursor, struct frame f, uint32_t n)
{
	uint32_t at = cursor->at, changed;

	while (at < CHAIN_FRAMES && c->marks[at].sp < f.sp)
		at++;
	move_to(c, cursor, at);
	if (at == CHAIN_FRAMES || !same_frame(c, cursor, &f, n))
		return false;
	changed = changed_word(c, c->marks[at].words);
	if (changed == CHAIN_WORDS)
		return true;
	/* No frame whose further steps read that word can be joined. */
	while (at < CHAIN_FRAMES && c->marks[at].words <= changed)
		at++;
	move_to(c, cursor, at);
	return false;
}

/* Note that a step of the frame at `sp` read the word at `at`.  False if it cannot be remembered: it is below the
 * frame, where a later walk may not read. */
static inline bool push_word(struct chain *c, struct chain_mark *m, uintptr_t at, uintptr_t sp)
{
	if (UNLIKELY(at < sp))
		return false;
	c->words[--m->words] = (struct chain_word){ at, *(const uintptr_t *)at };
	return true;
}

/* The words that the step of the frame `v` read, and whether its fp matters; `m` describes the frame after it. */
static inline bool push_words(struct chain *c, struct chain_mark *m, const struct chain_visit *v,
			      struct frame_reads reads)
{
	bool ok = push_word(c, m, reads.ra, v->sp);

	if (reads.cfa)
		ok &= push_word(c, m, reads.cfa, v->sp);
	if (m->fp_lives && reads.fp)
		ok &= push_word(c, m, reads.fp, v->sp);
	m->fp_lives = reads.by_fp || (m->fp_lives && !reads.fp);
	return ok;
}

/* The same for a frame that is no ordinary call.  By value: the mark stays in registers.  Not sound: words is 0. */
static NOINLINE struct chain_mark push_special(struct chain *c, struct chain_mark m, const struct chain_visit *v)
{
	struct frame_reads reads = frame_reads(v->rule, v->sp, v->fp, m.sp);

	if (reads.ra && !push_words(c, &m, v, reads))
		m.words = 0;
	return m;
}

/* Extend the chain inwards by the frame `v`.  What its step read is looked up only while all steps were sound: else
 * it may not be readable. */
static inline bool push_frame(struct chain *c, uint32_t at, const struct chain_visit *v, struct chain_mark *m,
			      bool ok)
{
	struct chain_mark *to = &c->marks[at];

	if (LIKELY(ok)) {
		if (LIKELY(rule_kind(v->rule) == RULE_SP)) {
			ok = push_words(c, m, v, frame_reads(v->rule, v->sp, v->fp, m->sp));
		} else if (LIKELY(rule_kind(v->rule) == RULE_FP)) {
			ok = push_words(c, m, v, frame_reads(v->rule, v->sp, v->fp, m->sp));
		} else {
			*m = push_special(c, *m, v);
			ok = m->words != 0;
		}
	}
	m->hash = stack_hash_frame(m->hash, v->frame);
	m->sp = v->sp;
	m->fp = v->fp;
	to->hash = m->hash;
	to->sp = m->sp;
	to->fp = m->fp;
	to->words = m->words;
	to->fp_lives = m->fp_lives;
	c->frames[at] = v->frame;
	return ok;
}

void chain_close(struct chain *c, const struct chain_visit *visits, const struct chain_end *end,
		 struct unwind_stack *ret)
{
	struct chain_mark outer = { .hash = stack_hash_begin(end->epoch, end->flags),
				    .sp = end->sp,
				    .words = CHAIN_WORDS };
	bool ok = !(end->flags & (ABI_STACK_TRUNCATED | ABI_STACK_FOREIGN));
	uint32_t at = end->at;

	store_relaxed(&c->valid, false);
	fence_signal();
	if (at < CHAIN_FRAMES)
		outer = c->marks[at];
	else
		c->capped = end->flags & ABI_STACK_CAPPED;
	for (uint32_t i = end->n; i-- > 0;)
		ok = push_frame(c, --at, &visits[i], &outer, ok);
	c->first = at;
	c->epoch = end->epoch;
	c->high = end->high;
	fence_signal();
	store_relaxed(&c->valid, ok);

	ret->n = CHAIN_FRAMES - at;
	ret->flags = end->at < CHAIN_FRAMES && c->capped ? ABI_STACK_CAPPED : end->flags;
	ret->epoch = end->epoch;
	ret->hash = outer.hash;
	ret->frames = &c->frames[at];
	if (ret->n > end->max_depth) {
		ret->n = end->max_depth;
		ret->flags = ABI_STACK_CAPPED;
		ret->hash = stack_hash(ret->frames, ret->n, ret->flags, ret->epoch);
	}
}
