/* collectord/live/loop.h - the event loop: descriptors, timers, whole-file writes, on io_uring or epoll.
 *
 * One thread.  Callbacks run from loop_turn(); they may add and remove anything, themselves included: nothing is
 * freed before the kernel's last completion for it was seen.  io_uring is tried first; where it is refused
 * (containers, sysctl) epoll takes over with the same behaviour, writes then being synchronous.
 * HEAPTAP_IO=uring|epoll in the environment forces a backend (tests, diagnosis). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/fault.h"

struct loop;
struct loop_watch;
struct loop_timer;

int loop_new(struct loop **ret, struct fault *f);
/* Takes NULL.  Watches and timers must be gone; writes under way are finished and their results delivered. */
void loop_free(struct loop *l);
const char *loop_backend(const struct loop *l); /* "io_uring" or "epoll" */

/* Level-triggered: `fn` is called while `events` (POLLIN, ...) hold, with the events seen.  The descriptor stays
 * the caller's and must be unwatched before it is closed.  NULL: out of memory. */
struct loop_watch *loop_watch_fd(struct loop *l, int fd, short events, void (*fn)(void *arg, short revents),
				 void *arg);
void loop_unwatch(struct loop_watch *w); /* takes NULL; `fn` is not called again */

/* One-shot timer, disarmed when made.  loop_timer_set() (re)arms it `ms` from now, CLOCK_MONOTONIC; -1 disarms. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, int64_t ms);
void loop_timer_free(struct loop_timer *t); /* takes NULL */

/* Write a complete file or nothing: `name` below `dirfd`, through a temporary name, fsync, rename, fsync of the
 * directory.  Takes `buf` (malloc'ed) over; duplicates dirfd.  `fn` is called later, from the loop, with 0 or
 * -errno; on error the old file of that name, if any, is untouched and the temporary one is gone. */
void loop_write_file(struct loop *l, int dirfd, const char *name, unsigned mode, void *buf, size_t len,
		     void (*fn)(void *arg, int result), void *arg);

/* The same of bytes that are mmap()ed: they are unmapped in the end. */
void loop_write_mapping(struct loop *l, int dirfd, const char *name, unsigned mode, void *map, size_t len,
			void (*fn)(void *arg, int result), void *arg);

/* Wait up to `timeout_ms` (-1 = forever) for something, run callbacks.  0 or -errno (the loop itself is broken). */
int loop_turn(struct loop *l, int timeout_ms);
