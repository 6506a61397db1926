/* collectord/live/clock.h - a clock of the kernel as a number. */
#pragma once

#include <stdint.h>
#include <time.h>

/* What clock `id` says, in ns: CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID. */
static inline uint64_t clock_read_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
