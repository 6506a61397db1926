/* collectord/live/state_impl.h - between state.c and state_log.c: what a state memfd consists of. */
#pragma once

#include "collectord/live/state.h"
#include "common/atomics.h"

#define HEAD_SIZE 4096u
#define AREA_SIZE (16ull << 30) /* sparse; the books of a session are bounded far below */
#define FILE_SIZE (HEAD_SIZE + STATE_LOG_SIZE + 2 * AREA_SIZE)
#define MIN_LIMIT (256u << 10) /* of the log, before the next checkpoint: books of few stacks */
#define MAX_LIMIT (STATE_LOG_SIZE / 2)
#define LOG_PER_CHECKPOINT \
	4u               /* a checkpoint costs as much as its bytes, so an event costs a quarter of its own more */
#define MAX_ATTEMPTS 16u /* a kill may have other reasons */
#define LENGTH_BITS 40
#define LENGTH_MASK ((1ull << LENGTH_BITS) - 1)

struct area {
	uint64_t size, sum;
};

struct state_header {
	uint64_t magic;
	uint32_t major, event_size;
	_Atomic uint32_t attempts;   /* that ended in the middle of this session's work, one after the other */
	_Atomic uint32_t at_work;    /* in the middle of it */
	_Atomic uint64_t generation; /* 0: there is no checkpoint yet */
	_Atomic uint64_t committed;  /* generation << LENGTH_BITS | bytes of the log */
	struct area areas[2];
	uint32_t formats[2]; /* of the areas: FORMAT, or 0 for format 2, which did not have this */
};

#define FORMAT(major, minor) ((major) << 16 | (minor))
#define FORMAT_MAJOR(format) ((format) >> 16)

struct state {
	int fd;
	struct state_header *head; /* shared, HEAD_SIZE */
	struct state_log log;      /* its bytes: shared, STATE_LOG_SIZE */
	uint64_t limit, generation;
	bool is_format_2;    /* the newest checkpoint */
	const void *reading; /* mapped checkpoint */
	size_t reading_size;
};

/* Order as whoever comes after a kill sees it. */
static inline void commit_word(_Atomic uint64_t *word, uint64_t value)
{
	fence_signal();
	store_release(word, value); /* after a kill all stores before it are there, too */
	fence_signal();
}

static inline uint64_t area_at(uint64_t generation)
{
	return HEAD_SIZE + STATE_LOG_SIZE + (generation & 1) * AREA_SIZE;
}

/* From the size of the newest checkpoint: how long the log may become. */
void state_set_limit(struct state *st, uint64_t checkpoint);
