/* collectord/live/control.h - answers people who ask the collector: ps, set, snapshot, top PID.
 *
 * One request per connection, of fixed size; who asks is what the kernel says (SO_PEERCRED, SO_PEERGROUPS): a user
 * sees the own processes, root and members of the administrators' group all.  Nothing here waits: answers are
 * bounded, sent as fast as the reader reads, and a reader that does not is dropped after a while.  Whatever is
 * wrong with a request ends that connection only. */
#pragma once

#include <stddef.h>

#include "collectord/live/collector.h"
#include "collectord/live/listen.h"

struct control;

/* `c` is who is asked; it owns the control and outlives it.  0 or -ENOMEM. */
int control_new(struct loop *loop, struct collector *c, const struct collector_config *config,
		struct control **ret);
void control_free(struct control *k); /* takes NULL; drops who is still waiting */

/* A message of `len` bytes that begins with CONTROL_MAGIC, its first `sizeof(request)` bytes at `msg`.  Takes
 * peer->sock over by setting it to -1. */
void control_ask(struct control *k, struct peer *peer, const struct control_request *msg, size_t len);

/* Something changed in a session: it may be what somebody waits for. */
void control_note(struct control *k, enum session_change what, const struct session_view *v);
