/* collectord/daemon_systemd.h - what a service manager gives the daemon, and what the daemon tells it.
 *
 * sd_listen_fds(3) and sd_notify(3); without a service manager everything here does nothing.  The loop's thread
 * only. Failures are said in one line on the log. */
#pragma once

#include <stddef.h>

#include "collectord/live/loop.h"

/* Take over what was passed in.  *ret_socket: the listening socket, or -1 if none was.  0, or -EINVAL: something
 * else was passed, and it has been said. */
int systemd_take(int *ret_socket);

struct systemd;

/* What is told regularly: that we are alive, if the manager asked for that (WatchdogSec=), and how many programs
 * are recorded, at most once a second.  0 or -ENOMEM. */
int systemd_new(struct loop *loop, struct systemd **ret);
void systemd_free(struct systemd *s); /* takes NULL */

/* A whole turn of the loop is through: only that shows that we are alive. */
void systemd_turned(struct systemd *s, size_t programs);

void systemd_ready(void); /* at the start, and when a reload is through */
void systemd_reloading(void);
void systemd_stopping(void);
