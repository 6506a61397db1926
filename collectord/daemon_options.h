/* collectord/daemon_options.h - the command line of heaptap-collectord. */
#pragma once

#include "collectord/live/collector.h"

/* Fill in the defaults, then what argv says.  -1: go on; else the exit status, after the help or a line why. */
int daemon_options(int argc, char **argv, struct collector_config *c);
