/* tests/tools/oracle.h - our walk against _Unwind_Backtrace.
 *
 * libgcc's is what C++ exceptions run on: it believes CFI and nothing else.  (libunwind has one of that name, which
 * also follows frame pointers: what is linked first counts.)  Both walk the same stack, from the same frame on.
 * Tests only; the memory for a reference is the caller's. */
#pragma once

#include <stdbool.h>
#include <unwind.h>

#include "common/stacktab.h"
#include "preload/unwind.h"

#define ORACLE_FRAMES 1100u

enum oracle_verdict {
	ORACLE_EQUAL,   /* same frames, same exact marks, same end, and the hash of all that */
	ORACLE_BEYOND,  /* libgcc gave up in code without CFI; frame pointers led us on to known code */
	ORACLE_FLAGGED, /* we stopped earlier and said so: truncated or foreign */
	ORACLE_DIFFER,  /* a wrong stack */
	ORACLE_VERDICTS,
};

struct oracle {
	const struct unwind_start *start;
	uint64_t frames[ORACLE_FRAMES];
	unsigned n;
	unsigned same; /* leading frames both agree on */
	bool found;    /* the reference has reached the frame ours began in */
};

static _Unwind_Reason_Code oracle_collect(struct _Unwind_Context *context, void *arg)
{
	struct oracle *o = arg;
	int exact = 0;
	uintptr_t ip = _Unwind_GetIPInfo(context, &exact);

	if (ip == o->start->ip && _Unwind_GetCFA(context) == o->start->sp)
		o->found = true;
	if (o->found && ip && o->n < ORACLE_FRAMES) /* it reports the end as a frame at 0 */
		o->frames[o->n++] = ip | (exact ? ABI_FRAME_EXACT : 0);
	return _URC_NO_REASON;
}

/* Walk from `start` with it and compare with `s`. */
static inline enum oracle_verdict oracle_judge(struct oracle *o, const struct unwind_start *start,
					       const struct unwind_stack *s)
{
	o->start = start;
	o->n = o->same = 0;
	o->found = false;
	_Unwind_Backtrace(oracle_collect, o);
	while (o->same < s->n && o->same < o->n && s->frames[o->same] == o->frames[o->same])
		o->same++;
	if (s->hash != stack_hash(s->frames, s->n, s->flags, s->epoch))
		return ORACLE_DIFFER;
	if (o->same == s->n && s->flags & (ABI_STACK_TRUNCATED | ABI_STACK_FOREIGN))
		return o->n == s->n ? ORACLE_EQUAL : ORACLE_FLAGGED;
	if (o->same == s->n && (o->n == s->n || s->flags & ABI_STACK_CAPPED))
		return ORACLE_EQUAL;
	return o->n && o->same == o->n ? ORACLE_BEYOND : ORACLE_DIFFER;
}

/* The registers of the calling function's caller, as a hook sees them.  For functions that are not inlined. */
#ifdef __aarch64__
#define ORACLE_CFA __builtin_dwarf_cfa()
#else
#define ORACLE_CFA ((uintptr_t *)__builtin_frame_address(0) + 2)
#endif
#define ORACLE_START(name)                                                                            \
	struct unwind_start name = { (uintptr_t)__builtin_return_address(0), (uintptr_t)(ORACLE_CFA), \
				     *(uintptr_t *)__builtin_frame_address(0) }
