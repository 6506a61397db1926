/* collectord/live/idle.h - sessions in which nothing happens: looked at together, so that they wake nobody.
 *
 * A session joins when its passes have found nothing for a while and its own timer is off; it leaves when a look
 * finds something, or when session_look_soon() is called.  Loop's thread; sessions are borrowed. */
#pragma once

#include "collectord/live/session.h"

struct idle;

int idle_new(struct loop *loop, struct idle **ret); /* 0 or -ENOMEM */
void idle_free(struct idle *i);                     /* no session is in it; takes NULL */

/* Nothing came since its last pass, and we would hear of the ends of all its processes. */
bool idle_suits(const struct session *s);

void idle_join(struct idle *i, struct session *s);
void idle_leave(struct session *s); /* also one that is in none */
