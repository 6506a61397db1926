/* common/stacktab.h - stacks interned in shared memory: frames <-> stack id.
 *
 * Writers (traced threads, lock-free, also in signal handlers) append frames to the arena and publish them by one
 * CAS on a slot; two threads that race with the same stack waste one arena entry and agree on one id.  Nothing is
 * ever changed or removed.  A full table or arena gives id 0.
 * Reader: the collector; it copies, then checks.  Letters: common/abi.h. */
#pragma once

#include "common/abi.h"

/* Hash of a stack; frames are mixed outermost first, so a verified chain can continue from a stored prefix.
 * stack_hash_begin(epoch, flags), then stack_hash_frame() from outermost to leaf. */
static inline uint64_t stack_hash_begin(uint32_t epoch, uint32_t flags)
{
	return 0x9e3779b97f4a7c15ull ^ ((uint64_t)epoch << 16 | flags);
}

static inline uint64_t stack_hash_frame(uint64_t h, uint64_t frame)
{
	h = (h ^ frame) * 0xff51afd7ed558ccdull;
	return h ^ h >> 32;
}

/* Writer: the id of `n` frames (leaf first, n <= ABI_MAX_DEPTH) with this header; 0 when it finds no room.
 * `hash` must come from the functions above over the same frames. */
uint32_t stack_intern(const struct abi_region *r, const uint64_t *frames, uint32_t n, uint32_t flags,
		      uint32_t epoch, uint64_t hash);

/* The same for a stack of thread `tid` (0: of any), told apart by a word after its frames; n < ABI_MAX_DEPTH then.
 */
uint32_t stack_intern_of(const struct abi_region *r, const uint64_t *frames, uint32_t n, uint32_t tid,
			 uint32_t flags, uint32_t epoch, uint64_t hash);

/* Convenience for writers without a running hash. */
uint64_t stack_hash(const uint64_t *frames, uint32_t n, uint32_t flags, uint32_t epoch);

/* Reader: copy stack `id` into frames[max].  Returns the number of frames and its header word in *ret_word,
 * or -1 if the id names nothing or its entry breaks a bound (corrupt).  Id 0 is never stored: -1. */
int stack_read(const struct abi_region *r, uint32_t id, uint64_t *frames, uint32_t max, uint64_t *ret_word);
