/* tests/victims/counts.h - blocks a program counts for itself, to be held against a profile of it at T = 1.
 *
 * All its blocks come from take() and retake(), each less than 256 bytes long, so that in a profile their stacks
 * begin there; say_counts() prints one line: pid, parent, the two functions' addresses, and what happened in this
 * process.  Not thread-safe: callers keep the counters per thread or hold a lock. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct counts {
	unsigned long allocs, frees;    /* in this process */
	unsigned long alloc_bytes;      /* likewise */
	unsigned long live, live_bytes; /* inherited ones included */
	unsigned long inherited;
};

static __attribute__((noinline, aligned(256))) void *take(struct counts *c, size_t size)
{
	void *p = malloc(size);

	c->allocs++;
	c->alloc_bytes += size;
	c->live++;
	c->live_bytes += size;
	return p;
}

static __attribute__((noinline, aligned(256))) void *retake(struct counts *c, void *p, size_t old, size_t size)
{
	p = realloc(p, size);
	c->frees++;
	c->allocs++;
	c->alloc_bytes += size;
	c->live_bytes += size - old;
	return p;
}

static inline void drop(struct counts *c, void *p, size_t size)
{
	free(p);
	c->frees++;
	c->live--;
	c->live_bytes -= size;
}

/* In a forked child: what there is was inherited. */
static inline void inherit(struct counts *c)
{
	c->inherited = c->live;
	c->allocs = c->frees = c->alloc_bytes = 0;
}

static inline void say_counts(const struct counts *c)
{
	char line[256];
	int n = snprintf(
		line, sizeof(line),
		"%d %d %#lx %#lx allocs=%lu frees=%lu alloc_bytes=%lu live=%lu live_bytes=%lu inherited=%lu\n",
		getpid(), getppid(), (unsigned long)take, (unsigned long)retake, c->allocs, c->frees,
		c->alloc_bytes, c->live, c->live_bytes, c->inherited);

	if (write(1, line, (size_t)n) != n)
		_exit(97);
}
