/* preload/early.c - see early.h.
 *
 * Each block has a 16-byte header with its size below it.  The arena is .bss: blocks are zero when handed out. */
#include "preload/early.h"

#include <stdalign.h>
#include <stdint.h>

#include "common/atomics.h"
#include "common/compiler.h"
#include "preload/live.h"

#define HEADER 16u

static alignas(HEADER) unsigned char arena[EARLY_BYTES];
static _Atomic size_t used;

void *early_memalign(size_t align, size_t size)
{
	size_t at, block, next;

	if (align < HEADER)
		align = HEADER;
	if (size > EARLY_BYTES || align > EARLY_BYTES)
		return NULL;
	at = load_relaxed(&used);
	do {
		uintptr_t start = (uintptr_t)arena + at + HEADER;

		block = ((start + align - 1) & ~(uintptr_t)(align - 1)) - (uintptr_t)arena;
		next = (block + size + HEADER - 1) & ~(size_t)(HEADER - 1);
		if (next > EARLY_BYTES)
			return NULL;
	} while (!cas_acquire(&used, &at, next)); /* no pair: the block is nobody else's */
	*(size_t *)(void *)(arena + block - HEADER) = size;
	live_filter_pin(arena + block);
	return arena + block;
}

void *early_malloc(size_t size)
{
	return early_memalign(HEADER, size);
}

void *early_calloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : early_malloc(bytes);
}

bool early_owns(const void *p)
{
	return (uintptr_t)p - (uintptr_t)arena < EARLY_BYTES;
}

size_t early_size(const void *p)
{
	return *(const size_t *)(const void *)((const unsigned char *)p - HEADER);
}

void *early_realloc(void *p, size_t size)
{
	unsigned char *to;

	if (!p)
		return early_malloc(size);
	if (size == 0)
		return NULL;
	to = early_malloc(size);
	for (size_t i = 0; to && i < size && i < early_size(p); i++)
		to[i] = ((unsigned char *)p)[i];
	return to;
}
