/* preload/real.h - the allocator behind us: one table of functions, decided once.
 *
 * Nothing can be forwarded before our own relocation, nor while it is being decided who is behind us: deciding asks
 * dlsym(), which may allocate.  Until real_ready() such calls, and other threads' meanwhile, are served by the
 * early arena (preload/early.h); nobody waits.  Then the table holds the functions of the one object that owns the
 * family, or, when the family is mixed, whatever each symbol would have been without us. */
#pragma once

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/compiler.h"
#include "common/handshake.h"

struct real {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	void *(*memalign)(size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*reallocarray)(void *, size_t, size_t); /* by its own rules, see record.c */
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	int (*dlclose)(void *);
};

/* Null until decided, except realloc, free and dlclose: theirs decide on the first call.  Read without atomics, so
 * that hooks jump through it: while it changes, old and new entries are both callable. */
extern HIDDEN struct real real;

/* What there is to know about the process's allocator, for the handshake. */
struct real_survey {
	enum hello_status status;
	bool rival;       /*  another copy of this library is in front of us and does the work */
	const char *path; /* object that owns malloc behind us (or, if status says so, in front of us); "" = the
			     program */
};

/* True once the table is filled; decides if nobody has yet.  False before our relocation (it needs none itself),
 * and while somebody else, or this thread further up its stack, is deciding. */
bool real_ready(void);

/* Constructor only: looks at the symbols the program itself is bound to. */
void real_survey(struct real_survey *ret);

/* A function of libc itself; NULL if it has none of that name, or another library stands in front of it. */
void *real_libc(const char *name);

/* A definition and the object it is in; nulls: there is none. */
struct real_next {
	const struct link_map *map;
	const void *symbol;
};

/* For decisions, while nothing but the objects of the start is loaded: what `name` would be bound to without us; is
 * it the allocator's; our own object. */
struct real_next real_next(const char *name);
bool real_owns(const struct real_next *next);
const struct link_map *real_self(void);

/* Constructor only: does the program or a library other than libc and us refer to `name`? */
bool real_imported(const char *name);
