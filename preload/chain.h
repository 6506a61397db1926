/* preload/chain.h - what a walk slot remembers of its last walk, so that the next one need not step it again.
 *
 * A frame is fully described by (ip, sp, fp); where its caller is follows from that, the rules and the stack words
 * the step reads.  So if a new walk reaches a frame the last one had, and every word that walk read further out
 * still holds its value, then the rest of the stack is the same, by construction and not by likelihood.  fp counts
 * only where some frame further out uses it before it is reloaded: most code keeps other things in that register.
 *
 * Frames and words are stored outermost last, at the fixed end of their arrays: the part two walks share stays in
 * place, the new innermost frames are written before it.  Hashes run outermost first for the same reason.
 * Owned by the holder of the walk slot; a holder that never returned leaves `valid` false or the chain untouched.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/abi.h"
#include "preload/frame.h"

#define CHAIN_FRAMES ABI_MAX_DEPTH
#define CHAIN_WORDS (3 * CHAIN_FRAMES) /* a step reads at most three */

struct chain_mark {
	uint64_t hash;     /* of this frame and all further out */
	uintptr_t sp, fp;  /* the frame's registers */
	uint32_t words;    /* index of the first word read from here outwards */
	uint32_t fp_lives; /* a frame from here outwards uses this fp */
};

/* A frame of the walk in progress, innermost first. */
struct chain_visit {
	uint64_t frame; /* ip, with ABI_FRAME_EXACT */
	uintptr_t sp, fp;
	struct rule rule;
};

/* Stacks of ordinary depth touch only the ends of the arrays: unwind.c says how much memory that is. */
struct chain {
	struct chain_word {
		uintptr_t at, value;
	} words[CHAIN_WORDS];
	struct chain_mark marks[CHAIN_FRAMES];
	uint8_t apart[2048]; /* the others end with a page; the end of this one shares one with what follows it */
	uint64_t frames[CHAIN_FRAMES];
	_Atomic bool valid; /* only its owner looks, but a signal may come between any two stores */
	bool capped;        /* the walk stopped at max_depth, not at the outermost frame */
	uint32_t epoch;
	uint32_t first; /* index of the innermost frame */
	uintptr_t high; /* end of the stack it was walked on */
};

/* How far a new walk has come along the last one. */
struct chain_cursor {
	uintptr_t sp; /* the walk need not look at the chain before it is here */
	uint32_t at;  /* index into chain.frames; CHAIN_FRAMES: nothing left to join */
	uint32_t max_depth;
};

/* Where a new walk on stack `b` begins to look; nowhere if the chain is of another stack or epoch. */
struct chain_cursor chain_open(const struct chain *c, const struct stack_bounds *b, uint32_t epoch,
			       uint32_t max_depth);

/* After `n` new frames the walk is at `f`, not before cursor->sp: true if the chain goes on from here, at
 * cursor->at. `f` by value: a walk's frame stays in registers. */
bool chain_join(const struct chain *c, struct chain_cursor *cursor, struct frame f, uint32_t n);

/* How a walk ended. */
struct chain_end {
	uint32_t n;     /* new frames */
	uint32_t at;    /* where they joined, or CHAIN_FRAMES */
	uint32_t flags; /* ABI_STACK_*; those of a joined chain are known to it */
	uint32_t epoch;
	uintptr_t high; /* of the thread's own stack, if the walk came there */
	uintptr_t sp;   /* of the frame after the last new one */
	uint32_t max_depth;
};

/* Put the new frames before what was joined and fill `ret` with the stack, cut to max_depth. */
void chain_close(struct chain *c, const struct chain_visit *visits, const struct chain_end *end,
		 struct unwind_stack *ret);
