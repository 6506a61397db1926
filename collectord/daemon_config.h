/* collectord/daemon_config.h - the daemon's file of settings: NAME = VALUE, names as on the command line.
 *
 * INI: one section [collectord] or none, comments behind ; or #.  Nothing of a file counts unless all of it does.
 */
#pragma once

#include "collectord/profile/fault.h"

#define DAEMON_CONFIG_FILE "/etc/heaptap/collectord.conf"

/* Give each setting of the file to `take`, which returns 0, or -errno with a fault.  0, or -errno with a fault that
 * names file and line; -ENOENT: there is no such file. */
int config_read(const char *path, int (*take)(void *arg, const char *name, const char *value, struct fault *f),
		void *arg, struct fault *f);
