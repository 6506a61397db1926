/* common/atomics.h - atomic operations with their order in the name.
 *
 * Macros, so that they serve every _Atomic width.  Only the fence is seq_cst: a place that needs it says why.
 * The letters at uses (A pairs with B, ...) are drawn once, in common/abi.h. */
#pragma once

#include <stdatomic.h>

#define load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)

#define add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define or_relaxed(p, v) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)

/* On failure *expected holds what was there, read with acquire. */
#define cas_acq_rel(p, expected, v) \
	atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel, memory_order_acquire)
#define cas_acquire(p, expected, v) \
	atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire, memory_order_relaxed)

/* Store-buffering (Dekker) pairs only: each side stores, fences, then loads what the other stores. */
#define fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)

/* Loads before it stay before what follows. */
#define fence_acquire() atomic_thread_fence(memory_order_acquire)

/* Order as a signal handler on the same thread sees it; no instruction. */
#define fence_signal() atomic_signal_fence(memory_order_seq_cst)

/* The line behind `p` will be written soon: let it come, from another processor perhaps. */
static inline void expect_write(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}
