/* collectord/live/keep.h - descriptors of sessions, kept by somebody else before their programs hear of them.
 *
 * Storing is told, heard later: a barrier hangs up when all that was told before has been heard.  One at a time;
 * who comes meanwhile waits for the next one.  A keeper that is slow is not waited for: 20 ms of a program's 50 are
 * its. The loop's thread only. */
#pragma once

#include "collectord/live/keeper.h"
#include "collectord/live/listen.h"

struct keep;
struct session;

/* `on_kept`: the session's program may be told; it may end the session.  0 or -ENOMEM. */
int keep_new(struct loop *loop, const struct keeper *keeper,
	     void (*on_kept)(void *arg, struct session *s, struct peer *peer), void *arg, struct keep **ret);
void keep_free(struct keep *k); /* takes NULL; who waits is not told anything */

/* Store `s`'s descriptors, then call on_kept, never from in here; takes peer->sock over. */
void keep_session(struct keep *k, struct session *s, struct peer *peer);

/* Nobody needs them any more; if it still waits, its program will not be told. */
void keep_forget(struct keep *k, struct session *s);

/* Call on_kept for all who wait, now. */
void keep_hurry(struct keep *k);

/* The session numbers for which there are both descriptors, one call each; others are forgotten, with a line to
 * `say`. Takes all of them over, or none: -ENOMEM. */
int keep_sort(const struct keeper *keeper, const struct kept *kept, size_t n,
	      void (*on_pair)(void *arg, const char *name, int region_fd, int state_fd),
	      void (*say)(void *arg, const char *name, const char *text), void *arg);
