/* collectord/daemon_options.h - what heaptap-collectord was told: defaults, then its file, then its command line.
 *
 * One table of settings serves the command line, the file and --help.  The file may be read again at any time;
 * what came of it is a whole or nothing. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectord/profile/fault.h"

struct collector_config;

struct daemon_settings {
	char file[PATH_MAX]; /* "" = there is none */
	char socket[PATH_MAX], state[PATH_MAX];
	uint32_t rate, interval_s, keep;
	uint32_t max_sessions, max_sessions_per_user;
	uint32_t max_files, max_files_per_user;
	uint64_t max_size, max_size_per_user;
	uint64_t max_memory_per_user;
	uint32_t max_processes_per_user;
	uint32_t admin_gid;
	char http_socket[PATH_MAX];           /* "" = beside the collector's; "none" */
	char http[256], http_token[PATH_MAX]; /* "" = not on TCP; in the state directory */
};

/* -1, or the exit status: help was printed, or what is wrong was said. */
int daemon_options(int argc, char **argv, struct daemon_settings *ret);

/* Once more, for SIGHUP.  0 or -errno with a fault; *ret is then as it was. */
int daemon_options_again(int argc, char **argv, struct daemon_settings *ret, struct fault *f);

/* Names of settings that differ and wait for the next start, in `buf`; "" if there are none. */
const char *daemon_settings_waiting(const struct daemon_settings *now, const struct daemon_settings *wanted,
				    char *buf, size_t size);

/* Into what a collector wants to know; the strings stay ours. */
void daemon_settings_apply(const struct daemon_settings *s, struct collector_config *c);
