/* common/abi.h - the layout of the shared region, the contract between libheaptap.so and the collector.
 *
 * One region per executed program (its forked children share it).  The collector creates, sizes and seals it,
 * fills struct abi_header and abi_control, and sends the descriptor; the shim maps it and never resizes it.
 * Trust: the shim believes the header after abi_header_ok(); the collector believes nothing it reads here: it
 * keeps its own copy of the header, its own tails, and copies before it checks.
 *
 * Ordering, drawn once; every use repeats its letter.
 *
 *   writer (shim)                          reader (collector)
 *   load_acquire(tail)            (D)      load_acquire(head)            (B)
 *   write events                           copy events out
 *   store_release(head)           (A)      store_release(tail)           (C)
 *     A pairs with B: whoever sees the new head sees the events under it.
 *     C pairs with D: whoever sees the new tail may overwrite what is under it.
 *
 *   cas_acquire(lane.lock, 0 -> me) (F)    store_release(lane.lock, 0)   (E)   (next writer / this writer)
 *     E pairs with F: the next holder of a lane sees the head its predecessor left.
 *
 *   write frames; cas(slot, 0 -> ref) (G)  load_acquire(slot)            (H)   (writers are readers here too)
 *     G pairs with H: whoever sees a stack slot sees its frames; they never change afterwards.
 *     An event's stack slot is published (G) before the event (A), so a reader that saw B sees the stack.
 *
 *   write module; store_release(state) (I) load_acquire(state)           (J)
 *     I pairs with J: whoever sees ABI_MODULE_READY sees the entry.
 *
 *   cas(spill.key, 0 -> key)      (K)      load_acquire(spill.key)       (L)
 *     K pairs with L; the sums beside the key are relaxed: each is exact once its writers are quiet.
 *
 *   write proc; store_release(state) (M)   load_acquire(state)           (N)
 *     M pairs with N: whoever sees a process entry in use sees its pid and parent.
 *
 *   clear entry; store_release(state, FREE)    (O)   cas_acquire(state, FREE -> CLAIMED) (P)
 *   clear sums; store_release(spill.key, 0)    (Q)   cas(spill.key, 0 -> key)            (K)
 *     O pairs with P, Q with K: who takes an entry of a dead process over finds it empty.  Q may leave a key
 *     in two places, because searches stop at empty entries: the reader adds up all.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/atomics.h"
#include "common/compiler.h"
#include "common/testnext.h"

#define ABI_MAGIC 0x0050415450414548ull /* "HEAPTAP\0", little endian */
#define ABI_MAJOR 3                     /* another major is refused by both sides */
#define ABI_MINOR \
	(1 + TEST_NEXT_MINOR) /* a higher minor only adds fields at the ends of pages, or where one is reserved */

#define ABI_PAGE 4096u
/* Upper bounds both sides enforce, whatever a header says. */
#define ABI_MAX_LANES 256u
#define ABI_MAX_LANE_EVENTS (1u << 22)
#define ABI_MAX_PROCS 4096u
#define ABI_MAX_STACK_SLOTS (1u << 22)
#define ABI_MAX_STACK_WORDS (1ull << 28)
#define ABI_MAX_SPILL_SLOTS (1u << 23)
#define ABI_MAX_MODULES 65536u
#define ABI_MAX_STRINGS (1ull << 26)
#define ABI_MAX_DEPTH 1024u
#define ABI_DEFAULT_DEPTH 127u
#define ABI_BUILD_ID_MAX 32u
#define ABI_COUNT_STEP (1u << 20) /* bytes a thread may have allocated that abi_proc.allocated lacks */
#define ABI_MAX_RATE (1u << 30)   /* bytes; the sampling interval T is 0 (dormant) or 1..this */

/* Geometry, chosen by the collector for one session.  Counts marked 2^n must be powers of two. */
struct abi_geometry {
	uint32_t lanes;       /* single-producer rings, >= 1 */
	uint32_t lane_events; /* events per lane, 2^n */
	uint32_t procs;       /* process entries, >= 1; ordinal 0 is the program itself */
	uint32_t stack_slots; /* stack ids, 2^n; id 0 means "stack table full" */
	uint64_t stack_words; /* 8-byte words for frames */
	uint32_t spill_slots; /* (process, stack) counters, 2^n */
	uint32_t modules;     /* module entries */
	uint64_t strings;     /* bytes for module paths */
};

/* Page 0.  Written by the collector before the descriptor leaves its hands, read-only afterwards. */
struct abi_header {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t header_size; /* sizeof(struct abi_header) of who wrote it */
	uint32_t event_size;  /* sizeof(struct abi_event) */
	uint32_t flags;       /* none yet */
	uint64_t region_size;
	uint64_t session;  /* the collector's number for this session */
	uint64_t epoch_ns; /* CLOCK_MONOTONIC at creation: event times count from here */
	struct abi_geometry geo;
	/* Byte offsets from the start of the region, ABI_PAGE aligned. */
	uint64_t off_lanes, off_events, off_procs, off_slots, off_words, off_spill, off_modules, off_strings;
	TEST_NEXT(uint64_t check;)
};
#define ABI_HEADER_SIZE 152u /* of this major's first minor: what is missing behind it is 0 */

/* Page 1.  The collector writes, the shim reads with relaxed loads: the control word. */
struct abi_control {
	_Atomic uint32_t rate;      /* T in bytes; 1 = every allocation, 0 = dormant (frees still reported) */
	_Atomic uint32_t max_depth; /* frames kept per stack, 1..ABI_MAX_DEPTH */
	_Atomic uint32_t on_full;   /* enum abi_on_full */
	_Atomic uint32_t detached;  /* 1: collector gave this session up; the shim goes passive */
	_Atomic uint32_t no_follow; /* 1: forked children stay passive */
	_Atomic uint32_t threads;   /* since minor 1.  1: stacks are kept apart by thread, see ABI_STACK_THREAD */
};

enum abi_on_full {
	ABI_ON_FULL_SPILL = 0,
	ABI_ON_FULL_WAIT = 1,
};

/* Page 2.  Shim-side allocation cursors of the append-only tables.  They only grow; past the end = full. */
struct abi_cursors {
	_Atomic uint64_t words;   /* next free word of the frame arena; starts at 1: offset 0 is "no stack" */
	_Atomic uint64_t strings; /* next free byte of the string area */
	_Atomic uint32_t modules; /* next free module entry */
	_Atomic uint32_t procs;   /* process entries claimed so far: where the next search starts */
	_Atomic uint32_t epoch;   /* dlclose count: enters each stack's header */
	_Atomic uint32_t stacks;  /* stacks interned so far, for fill reports */
	_Atomic uint32_t refused; /* forked children that found no process entry: unrecorded */
};

enum abi_event_kind {
	ABI_EVENT_NONE = 0,
	ABI_EVENT_ALLOC = 1,
	ABI_EVENT_FREE = 2, /* size, rate, stack, born_ns: what its alloc said */
	/* A live sample that a forked child starts with: in use, but nothing it allocated.  All of them come before
	 * the child's first other event. */
	ABI_EVENT_INHERITED = 3,
};

/* A free repeats what its alloc said, so order between lanes does not matter and no pointer is ever sent. */
struct abi_event {
	uint64_t size;    /* requested bytes Z, as the program asked (0 is possible; it weighs as 1) */
	uint64_t time_ns; /* since abi_header.epoch_ns, coarse */
	uint64_t born_ns; /* FREE, INHERITED: time of the alloc, but see ABI_EVENT_MANY.  ALLOC: equals time_ns */
	uint32_t rate;    /* T in force when the gap that led here was drawn; for FREE that of the alloc */
	uint32_t stack;   /* stack id: slot number, 0 = table was full */
	uint32_t tid;
	uint16_t proc; /* process ordinal */
	uint8_t kind;  /* enum abi_event_kind */
	uint8_t flags; /* ABI_EVENT_* bits */
};

#define ABI_EVENT_TEMPORARY \
	1u                /* FREE: by the thread that allocated it, with no allocation of that thread in between */
#define ABI_EVENT_MANY 2u /* INHERITED at T = 1: `born_ns` blocks of a stack at once, `size` bytes in all */
#define ABI_MAX_MANY (1ull << 40)

static_assert(sizeof(struct abi_event) == 40, "ABI: event changed, bump ABI_MAJOR");

struct abi_lane {
	alignas(CACHE_LINE) _Atomic uint32_t lock; /* 0 = free, else process ordinal + 1  (E, F) */
	uint32_t pad;
	_Atomic uint64_t head;                     /* events ever published        (A, B) */
	alignas(CACHE_LINE) _Atomic uint64_t tail; /* events ever consumed         (C, D) */
};
static_assert(offsetof(struct abi_lane, head) == 8, "ABI: writer's line moved");
static_assert(offsetof(struct abi_lane, tail) == CACHE_LINE, "ABI: reader's line moved");
static_assert(sizeof(struct abi_lane) == 2 * CACHE_LINE, "ABI: lane changed");

enum abi_proc_state {
	ABI_PROC_FREE = 0,
	ABI_PROC_ACTIVE = 1,
	ABI_PROC_CLAIMED = 2, /* being filled in */
};

/* What is rare in one process, or counted once in a while; relaxed adds by its threads.  Events are not counted
 * here: lanes and spill counters say how many there were, and a count that all threads share would cost more than
 * all else of an event. */
struct abi_proc {
	_Atomic uint32_t state;  /* enum abi_proc_state (M, N, O, P) */
	_Atomic uint32_t pid;    /* as the process itself sees it, in its pid namespace */
	_Atomic uint32_t parent; /* ordinal of the nearest ancestor recorded by then; the program itself: its own */
	_Atomic uint32_t parent_pid;  /* of who forked it: perhaps recorded later, or never */
	_Atomic uint64_t start_ns;    /* when it was forked */
	_Atomic uint64_t spilled;     /* events that went to spill counters */
	_Atomic uint64_t untracked;   /* sampled allocations not recorded at all: live table full */
	_Atomic uint64_t stack_full;  /* samples recorded under stack id 0 */
	_Atomic uint64_t truncated;   /* walks that ended early */
	_Atomic uint64_t module_full; /* modules that found no entry */
	_Atomic uint64_t spill_full;  /* spills that fell back to (process, stack 0) */
	/* Since minor 1.  What was allocated lies between `allocated` and that plus `counting` times
	 * ABI_COUNT_STEP; once no thread is counting it is known. */
	_Atomic uint64_t allocated; /* bytes that threads asked for, as far as they have told */
	_Atomic uint64_t own_space; /* bytes of address space that the shim's own tables take */
	_Atomic uint32_t counting;  /* threads that have not told all */
	uint32_t pad;
	uint64_t reserved[4];
};
static_assert(sizeof(struct abi_proc) == 128, "ABI: proc changed");

/* Spill counters: sums of weights (common/weight.h units), modulo 2^64; the collector adds the differences. */
struct abi_spill_sums {
	_Atomic uint64_t events, count, bytes, var_count, var_bytes;
};

struct abi_spill {
	alignas(CACHE_LINE) _Atomic uint64_t key; /* (ordinal << 32 | stack id) + 1; 0 = empty  (K, L, Q) */
	struct abi_spill_sums alloc, freed, inherited;
};
static_assert(sizeof(struct abi_spill) == 128, "ABI: spill changed");

/* A stack in the arena: one header word, then n frames, leaf first. */
#define ABI_STACK_DEPTH(w) ((uint32_t)((w)&0xffff))
#define ABI_STACK_FLAGS(w) ((uint32_t)((w) >> 16 & 0xffff))
#define ABI_STACK_EPOCH(w) ((uint32_t)((w) >> 32))
#define ABI_STACK_WORD(depth, flags, epoch) \
	((uint64_t)(uint32_t)(epoch) << 32 | (uint64_t)((flags)&0xffffu) << 16 | (uint64_t)(depth))
#define ABI_STACK_TRUNCATED 1u /* the walk stopped before the outermost frame: rule missing or unsound */
#define ABI_STACK_CAPPED 2u    /* the walk stopped at max_depth */
#define ABI_STACK_FOREIGN 4u   /* coroutine or alternate stack: leaf frames only */
#define ABI_STACK_THREAD 8u    /* the last frame is none, but the id of the thread that was here */

/* A frame is a code address; return addresses as found on the stack, i.e. one past the call.
 * ABI_FRAME_EXACT marks one that is the instruction itself (interrupted by a signal): do not subtract 1. */
#define ABI_FRAME_EXACT (1ull << 63)

/* A stack slot: high half a hash check, low half the arena offset in words (never 0). */
#define ABI_SLOT(check, off) ((uint64_t)(uint32_t)(check) << 32 | (uint32_t)(off))
#define ABI_SLOT_CHECK(s) ((uint32_t)((s) >> 32))
#define ABI_SLOT_OFFSET(s) ((uint32_t)(s))

enum abi_module_state {
	ABI_MODULE_EMPTY = 0,
	ABI_MODULE_READY = 1,
};

struct abi_module {
	_Atomic uint32_t state; /* enum abi_module_state (I, J) */
	uint32_t epoch;         /* dlclose count when it was first seen */
	uint64_t start, end;    /* mapped range, half open */
	uint64_t bias;          /* add to an ELF virtual address to get a run-time address */
	uint64_t path;          /* offset in the string area */
	uint32_t path_len;      /* bytes, no NUL counted */
	uint32_t build_id_len;  /* 0..ABI_BUILD_ID_MAX */
	uint8_t build_id[ABI_BUILD_ID_MAX];
	uint64_t pad[6];
};
static_assert(sizeof(struct abi_module) == 128, "ABI: module changed");
static_assert(sizeof(struct abi_header) <= ABI_PAGE, "ABI: header outgrew its page");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a hidden lock would be private to one process");

/* A mapped region: typed pointers into it, and the geometry they were computed from.  Borrows the mapping. */
struct abi_region {
	struct abi_header *header;
	struct abi_control *control;
	struct abi_cursors *cursors;
	struct abi_lane *lanes;
	struct abi_event *events; /* lane l owns [l * lane_events, (l + 1) * lane_events) */
	struct abi_proc *procs;
	_Atomic uint64_t *slots;
	uint64_t *words;
	struct abi_spill *spill;
	struct abi_module *modules;
	char *strings;
	struct abi_geometry geo; /* private copy: never read the shared one again */
	uint64_t session, epoch_ns;
};

/* Fill `h` for geometry `geo`: magic, versions, offsets, region_size.  False if geo breaks a bound above. */
bool abi_header_init(struct abi_header *h, const struct abi_geometry *geo);

/* True if `h` (a private copy) describes a region that lies wholly inside `mapped` bytes and obeys every bound. */
bool abi_header_ok(const struct abi_header *h, uint64_t mapped);

/* Point `r` into the mapping at `base`, by the private copy `h` that passed abi_header_ok(). */
void abi_region_map(struct abi_region *r, void *base, const struct abi_header *h);
