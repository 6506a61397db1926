/* collectord/live/keeper.h - who keeps descriptors while there is no collector: a service manager.
 *
 * Asked for by the daemon, which knows one (daemon_systemd.c); without a keeper a session ends with its collector.
 */
#pragma once

#include <stddef.h>

/* Descriptors are kept under names, several under one. */
struct keeper {
	int (*store)(void *arg, const char *name, const int *fds, unsigned n); /* 0 or -errno */
	void (*forget)(void *arg, const char *name);                           /* all of that name */
	/* *ret_fd, the caller's to close: hangs up when all of the above has been heard.  0 or -errno. */
	int (*barrier)(void *arg, int *ret_fd);
	void *arg;
};

/* What it kept from a predecessor. */
struct kept {
	const char *name;
	int fd; /* taken over by whoever recovers it */
};

#define KEEPER_NAME_PREFIX "session."
#define KEEPER_NAME_SIZE 32
