/* collectord/daemon_systemd.h - what a service manager gives the daemon, and what the daemon tells it.
 *
 * sd_listen_fds(3) and sd_notify(3); without a service manager everything here does nothing.  The loop's thread
 * only. Failures are said in one line on the log. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collectord/live/keeper.h"
#include "collectord/live/loop.h"

#define SYSTEMD_HTTP "http" /* FileDescriptorName= of sockets for that */
#define SYSTEMD_MAX_HTTP 8

/* Listening sockets that were passed in, and what was kept. */
struct systemd_sockets {
	int programs; /* -1: none */
	int http[SYSTEMD_MAX_HTTP];
	unsigned n_http;
	bool has_tcp; /* among these */
	struct kept *kept;
	size_t n_kept;
};

/* Take over what was passed in.  0, or -EINVAL: something else was passed, and it has been said. */
int systemd_take(struct systemd_sockets *ret);
void systemd_done(struct systemd_sockets *s); /* descriptors stay */

/* A service manager may keep descriptors for us (FileDescriptorStoreMax=): NULL if there is none. */
const struct keeper *systemd_keeper(void);

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
