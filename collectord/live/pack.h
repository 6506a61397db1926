/* collectord/live/pack.h - bytes one after the other into a file and out of memory again, with bounds and a sum.
 *
 * Values are as the processor has them: a state memfd never leaves its machine.  How they are laid out: parts.h.  A
 * writer remembers its first failure, a reader that it ran over the end: both are asked once, at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_BUFFER (64u * 1024)

struct pack_writer {
	int fd, error; /* error: 0 or -errno */
	uint64_t at;   /* where the buffer's content will go */
	uint64_t size, sum;
	size_t n;
	uint8_t buffer[PACK_BUFFER];
};

void pack_begin(struct pack_writer *w, int fd, uint64_t at);
void pack_put(struct pack_writer *w, const void *p, size_t n);
int pack_end(struct pack_writer *w); /* 0 or -errno; then size and sum are those of everything */

/* Of any bytes; a multiple of 8 at a time for equal sums. */
uint64_t pack_sum(uint64_t sum, const void *p, size_t n);

struct pack_reader {
	const uint8_t *p, *end;
	bool bad;
	bool is_format_2;        /* parts.h: no part says how long it is */
	const uint8_t *part_end; /* of the part it stands in */
};

const void *pack_take(struct pack_reader *r, size_t n); /* NULL: not so many; unaligned */
