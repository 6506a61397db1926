/* preload/cxx.h - operator new and delete: who defines them behind us, and whether we count there.
 *
 * jemalloc, tcmalloc and mimalloc bring operators of their own that never call malloc(): what they allocate is seen
 * only at the operators.  libstdc++'s and everybody else's do call malloc(), and are left alone.  So the library
 * exports the family and decides once, with the decision who owns malloc (preload/real.c), symbol by symbol:
 *   the owner of malloc defines the next one: we count (`counted`), and the block's end likewise;
 *   somebody else defines it: calls bound to us go there (`forward`), one jump;
 *   nobody does (a C program that refers to it weakly): malloc() and free().
 * In the last two cases the export is taken back: whatever is loaded or bound later finds what it
 * would find without us, C++ plugins of C programs above all, whose operators lie in scopes of their own.
 *
 * An owner's operator may itself call the malloc() it exports, which is ours then.  Nothing outside tells, so the
 * first calls of each operator are watched: was the block counted on the way?  Then that operator is forwarded. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/atomics.h"
#include "common/compiler.h"

#define CXX_NEWS 8u
#define CXX_DELETES 12u

/* Bits of a new operator's number (n in cxx_hooks.c): what its arguments are. */
#define CXX_ALIGNED 4u

/* One type for all: arguments that an operator does not have are registers nobody reads. */
typedef void *cxx_new(size_t size, uintptr_t a, uintptr_t b);
typedef void cxx_delete(void *p, uintptr_t a, uintptr_t b);

/* Null until decided.  Words are replaced whole, each by a function that serves as well as the one before. */
struct cxx {
	_Atomic(cxx_new *) forward_new[CXX_NEWS]; /* it counts by itself */
	_Atomic(cxx_new *) counted_new[CXX_NEWS]; /* certain that it does not: hooks may count and jump */
	_Atomic(cxx_new *) next_new[CXX_NEWS];    /* the owner's, both when that is certain and when not */
	_Atomic(cxx_delete *) forward_delete[CXX_DELETES];
	_Atomic(cxx_delete *) counted_delete[CXX_DELETES];
};
extern HIDDEN struct cxx cxx;

extern const char *const cxx_new_names[CXX_NEWS];
extern const char *const cxx_delete_names[CXX_DELETES];

/* Fill the table and take back every export that is not counted; by real_ready() only. */
void cxx_decide(void);

/* The cold twins of the hooks, see record.h; `which` is the operator's number. */
void *record_new(size_t size, uintptr_t a, uintptr_t b, uint32_t which);
void record_delete(void *p, uintptr_t a, uintptr_t b, uint32_t which);
