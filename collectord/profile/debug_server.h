/* collectord/profile/debug_server.h - files by build-id from debuginfod servers, for who asked for that.
 *
 * Names of build-ids go to whom DEBUGINFOD_URLS names, so nothing here happens unless the user wants it.  All
 * questions of one object together have one deadline; after it nobody is asked any more.  libdebuginfod is loaded
 * when it is needed: with it come curl and thirty libraries.  One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debug_server;

enum debug_server_file { DEBUG_SERVER_SYMBOLS, DEBUG_SERVER_PROGRAM };

/* DEBUGINFOD_URLS is what the environment says; it is hidden from others (elfutils) until the close.  0, -ENOENT:
 * no server is named, -ELIBACC: libdebuginfod is not installed, or -ENOMEM. */
int debug_server_open(unsigned seconds, struct debug_server **ret);
void debug_server_close(struct debug_server *s); /* takes NULL */

/* A descriptor of the file and its path in the user's cache (malloc'ed), or -1. */
int debug_server_find(struct debug_server *s, enum debug_server_file which, const uint8_t *id, size_t n,
		      char **ret_path);

/* Has the deadline passed? */
bool debug_server_is_late(const struct debug_server *s);
