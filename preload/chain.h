/* preload/chain.h - what a walk slot remembers of its last walk, so that the next one need not step it again.
 *
 * A frame is fully described by (ip, sp, fp); where its caller is follows from that, the rules and the stack words
 * the step reads.  So if a new walk reaches a frame the last one had, and every word that walk read further out
 * still holds its value, then the rest of the stack is the same, by construction and not by likelihood.  fp counts
 * only where some frame further out uses it before it is reloaded: most code keeps other things in that register.
 *
 * Frames and what was read are stored outermost last, at the fixed end of their arrays: the part two walks share
 * stays in place, the new innermost frames are written before it.  Hashes run outermost first for the same reason.
 * Owned by the holder of the walk slot; a holder that never returned leaves `valid` false or the chain untouched.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/abi.h"
#include "common/atomics.h"
#include "preload/frame.h"

#define CHAIN_FRAMES ABI_MAX_DEPTH
#define CHAIN_EXTRAS (3 * CHAIN_FRAMES) /* a step reads at most three words */

/* A frame, and what the step that led to it read: the frame's address, and often, from the word before that, its
 * fp: so does code with frame pointers save it.  Both are checked at once, without a branch. */
struct chain_mark {
	uint64_t hash;    /* of this frame and all further out */
	uintptr_t sp, fp; /* the frame's registers */
	uintptr_t at;     /* the word before the one that held this frame's address */
	uint32_t id;      /* of the stack that begins here, or 0: not known */
	int8_t fp_at;     /* -1: it holds this fp, which lives; else 0 */
	bool fp_lives;    /* this frame or one further out uses this fp */
};

/* A frame of the walk in progress, innermost first. */
struct chain_visit {
	uint64_t frame; /* ip, with ABI_FRAME_EXACT */
	uintptr_t sp, fp;
	struct rule rule;
};

/* Stacks of ordinary depth touch only the ends of the arrays: two of them end with a page; the end of `frames`
 * shares one with what follows.  unwind.c says how much memory that is. */
#define CHAIN_PAGE 4096u

struct chain {
	struct chain_extra { /* words that steps read, of which no mark speaks */
		uintptr_t at, value;
		uint32_t frame; /* whose step */
	} extras[CHAIN_EXTRAS];
	uint8_t before_marks[CHAIN_PAGE - sizeof(struct chain_mark) * (CHAIN_FRAMES + 1) % CHAIN_PAGE];
	struct chain_mark marks[CHAIN_FRAMES + 1]; /* the last one is beyond the outermost frame */
	uint8_t before_frames[CHAIN_PAGE / 2];
	uint64_t frames[CHAIN_FRAMES + 1];
	_Atomic bool valid; /* only its owner looks, but a signal may come between any two stores */
	bool capped;        /* the walk stopped at max_depth, not at the outermost frame */
	uint32_t epoch;
	uint32_t tid;   /* of the thread that marks[].id are for; 0: of any */
	uint32_t first; /* index of the innermost frame */
	uint32_t first_extra;
	uintptr_t high; /* end of the stack it was walked on */
};

/* How far a new walk has come along the last one. */
struct chain_cursor {
	uintptr_t sp; /* the walk need not look at the chain before it is here */
	uint32_t at;  /* index into chain.frames; CHAIN_FRAMES: nothing left to join */
	uint32_t max_depth;
};

/* How a walk ended. */
struct chain_end {
	uint32_t n;     /* new frames */
	uint32_t at;    /* where they joined, or CHAIN_FRAMES */
	uint32_t flags; /* ABI_STACK_*; those of a joined chain are known to it */
	uint32_t epoch, tid;
	uintptr_t high; /* of the thread's own stack, if the walk came there */
	uintptr_t sp;   /* of the frame after the last new one */
	uintptr_t ip;
	uint32_t max_depth;
};

static inline void chain_move_to(const struct chain *c, struct chain_cursor *cursor, uint32_t at)
{
	cursor->at = at;
	cursor->sp = at < CHAIN_FRAMES ? c->marks[at].sp : UINTPTR_MAX;
}

/* Where a new walk, whose end is to be like `end`, on stack `b` begins to look; nowhere if the chain is of another
 * stack, epoch or thread. */
static inline struct chain_cursor chain_open(const struct chain *c, const struct stack_bounds *b,
					     const struct chain_end *end)
{
	bool usable = load_relaxed(&c->valid) && !b->foreign && c->epoch == end->epoch && c->tid == end->tid &&
		      c->high == b->high;
	struct chain_cursor cursor = { .max_depth = end->max_depth };

	chain_move_to(c, &cursor, usable ? c->first : CHAIN_FRAMES);
	return cursor;
}

/* After `n` new frames the walk is at `f`, not before cursor->sp.  True: the chain goes on from here, at
 * cursor->at. False: cursor->sp is further out now. */
bool chain_join(const struct chain *c, struct chain_cursor *cursor, const struct frame *f, uint32_t n);

/* Put the new frames before what was joined and fill `ret` with the stack, cut to max_depth. */
void chain_close(struct chain *c, const struct chain_visit *visits, const struct chain_end *end,
		 struct unwind_stack *ret);
