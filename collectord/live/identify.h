/* collectord/live/identify.h - who connected, by what the kernel says of a socket.
 *
 * Two steps, because a descriptor costs as much as all the rest of a connection that is turned away. */
#pragma once

#include <stdbool.h>

struct peer;

/* Of peer->sock: pid and uid.  0 or -errno: nobody we can know. */
int identify_user(struct peer *p);

/* After it: the pidfd, or -1 where the process is gone.  *ret_hung_up: what is known does not suffice to record it.
 * 0 or -errno: no descriptor or memory left. */
int identify_process(struct peer *p, bool *ret_hung_up);
